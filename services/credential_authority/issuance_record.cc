#include "services/credential_authority/issuance_record.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/session.h"

namespace twi::credential_authority {
namespace {

// Ids are remembered a little longer than they could be used (clock skew of the validations).
constexpr absl::Duration kMargin = absl::Minutes(1);
// Expired ids are forgotten a few at a time, so that no issuance pays for many.
constexpr char kForget[] =
    "DELETE FROM used_ids WHERE rowid IN (SELECT rowid FROM used_ids WHERE expires_unix < ? LIMIT 4)";

// True when `id` was not used before.
bool UseUp(storage::Session& session, const std::string& id, absl::Time expires) {
  const long long expires_unix = absl::ToUnixSeconds(expires + kMargin);
  return session.Change("INSERT OR IGNORE INTO used_ids (id, expires_unix) VALUES (?, ?)", soci::use(id),
                        soci::use(expires_unix)) == 1;
}

absl::Status Insert(storage::Session& session, const v1::GetIssuanceResponse& r) {
  const long long issued = r.issued_unix(), not_after = r.not_after_unix();
  const std::string record = r.SerializeAsString();
  session.Change(
      "INSERT INTO issuance (serial, workload_identifier, issued_unix, not_after_unix, record) VALUES (?, ?, ?, ?, "
      "CAST(? AS BLOB))",
      soci::use(r.serial()), soci::use(r.workload_identifier()), soci::use(issued), soci::use(not_after),
      soci::use(record));
  return absl::OkStatus();
}

}  // namespace

// Serials are time-ordered, so the index grows at its right edge. The record itself is the message, so that what is
// kept and what is told are one thing.
const char kIssuanceSchema[] =
    "CREATE TABLE issuance (id INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE, workload_identifier TEXT NOT NULL, "
    "issued_unix INTEGER NOT NULL,"
    " not_after_unix INTEGER NOT NULL, record BLOB NOT NULL);"
    "CREATE TABLE used_ids (id TEXT NOT NULL UNIQUE, expires_unix INTEGER NOT NULL);"
    "CREATE INDEX used_ids_expiry ON used_ids (expires_unix);";

absl::Status RecordIssuance(storage::Database& database, const v1::GetIssuanceResponse& record,
                            const SingleUse& single_use, absl::Time now) {
  return database.Write([&](storage::Session& session) -> absl::Status {
    if (!single_use.results_jti.empty() &&
        !UseUp(session, absl::StrCat("results/", single_use.results_jti), single_use.results_expire)) {
      return Deny(v1::DENY_REASON_RESULTS_REPLAYED,
                  absl::StrCat("results ", single_use.results_jti, " were used before"));
    }
    if (!single_use.csr_sha256.empty() &&
        !UseUp(session, absl::StrCat("csr/", ToHex(single_use.csr_sha256)), single_use.csr_expires)) {
      return Deny(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID,
                  "a credential was issued for this counter-signed request before");
    }
    if (!UseUp(session, absl::StrCat("grant/", single_use.grant_jti), single_use.grant_expires)) {
      return Deny(v1::DENY_REASON_GRANT_REPLAYED, absl::StrCat("grant ", single_use.grant_jti, " was used before"));
    }
    const long long now_unix = absl::ToUnixSeconds(now);
    session.Change(kForget, soci::use(now_unix));
    return Insert(session, record);
  });
}

absl::StatusOr<v1::GetIssuanceResponse> FindIssuance(storage::Database& database, const v1::GetIssuanceRequest& request,
                                                     const std::optional<std::string>& reader) {
  // The jti of a WIT is its serial in hex.
  const std::string serial = request.id_case() == v1::GetIssuanceRequest::kJti ? request.jti() : request.serial();
  if (serial.empty() || serial.size() > 64)
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "serial or jti: expected the text of one");
  std::string bytes;
  bool found = false;
  TWI_RETURN_IF_ERROR(database.Read([&](storage::Session& session) {
    found = session.Row("SELECT record FROM issuance WHERE serial = ?", soci::into(bytes), soci::use(serial));
    return absl::OkStatus();
  }));
  if (!found) return Deny(v1::DENY_REASON_ISSUANCE_UNKNOWN, absl::StrCat("no credential ", serial, " was issued here"));
  v1::GetIssuanceResponse record;
  if (!record.ParseFromString(bytes))
    return Deny(v1::DENY_REASON_STORAGE_FAILED, absl::StrCat("the record of ", serial, " does not parse"));
  if (reader.has_value() && (reader->empty() || record.policy_owner() != *reader)) {
    return Deny(v1::DENY_REASON_ISSUANCE_UNKNOWN,
                absl::StrCat("credential ", serial, " is under a policy of ", record.policy_owner(), ", the caller is ",
                             *reader, " and no operator"));
  }
  return record;
}

absl::StatusOr<long long> CountIssuances(storage::Database& database) {
  long long count = 0;
  TWI_RETURN_IF_ERROR(database.Read([&](storage::Session& session) {
    session.Row("SELECT COUNT(*) FROM issuance", soci::into(count));
    return absl::OkStatus();
  }));
  return count;
}

}  // namespace twi::credential_authority
