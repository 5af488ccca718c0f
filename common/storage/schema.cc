#include "common/storage/schema.h"

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::storage {
namespace {

constexpr char kVersionTable[] =
    "CREATE TABLE IF NOT EXISTS schema_version(id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL CHECK "
    "(version >= 0));"
    "INSERT OR IGNORE INTO schema_version VALUES (1, 0);";

// `work` in a transaction of its own; undone unless all of it, and COMMIT, succeeded.
absl::Status InTransaction(Session& session, const std::function<absl::Status(Session&)>& work) {
  const absl::Status done = Guarded(session, [&](Session& s) {
    s.Script("BEGIN IMMEDIATE");
    TWI_RETURN_IF_ERROR(work(s));
    s.Script("COMMIT");
    return absl::OkStatus();
  });
  if (!done.ok() && session.InTransaction()) {
    const absl::Status undone = Guarded(session, [](Session& s) {
      s.Script("ROLLBACK");
      return absl::OkStatus();
    });
    if (!undone.ok())
      return WithContext(done, absl::StrCat("and ROLLBACK failed (", std::string(undone.message()), ")"));
  }
  return done;
}

absl::Status Step(Session& session, const std::string& sql, std::size_t version) {
  const absl::Status done = InTransaction(session, [&](Session& s) {
    s.Script(sql);
    if (!s.InTransaction()) return Deny(v1::DENY_REASON_STORAGE_FAILED, "it ended the transaction that it runs in");
    const long long reached = static_cast<long long>(version);
    if (s.Change("UPDATE schema_version SET version = ? WHERE id = 1 AND version = ? - 1", soci::use(reached),
                 soci::use(reached)) != 1) {
      return Deny(v1::DENY_REASON_STORAGE_FAILED, "schema_version is not the version before");
    }
    return absl::OkStatus();
  });
  return WithContext(done, absl::StrCat("migration to schema version ", version));
}

}  // namespace

absl::Status Migrate(Session& session, const Migrations& migrations) {
  TWI_RETURN_IF_ERROR(InTransaction(session, [](Session& s) {
    s.Script(kVersionTable);
    return absl::OkStatus();
  }));
  long long version = -1;
  TWI_RETURN_IF_ERROR(Guarded(session, [&](Session& s) {
    s.Row("SELECT version FROM schema_version WHERE id = 1", soci::into(version));
    return absl::OkStatus();
  }));
  if (version < 0) return Deny(v1::DENY_REASON_STORAGE_FAILED, "schema_version has no version");
  if (version > static_cast<long long>(migrations.size())) {
    return Deny(v1::DENY_REASON_STORAGE_FAILED,
                absl::StrCat("the database has schema version ", version, ", this program knows ", migrations.size()));
  }
  for (std::size_t i = static_cast<std::size_t>(version); i < migrations.size(); ++i) {
    TWI_RETURN_IF_ERROR(Step(session, migrations[i], i + 1));
  }
  return absl::OkStatus();
}

}  // namespace twi::storage
