#include "services/claims_mapper/policy_store.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/session.h"

namespace twi::claims_mapper {

const char kPoliciesSchema[] = R"(
CREATE TABLE policies(
  statement_sha256 TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  owner TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  signed_unix INTEGER NOT NULL,
  loaded_unix_ms INTEGER NOT NULL,
  jws TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX policies_by_name ON policies(name, version);
CREATE TABLE policies_in_force(
  name TEXT NOT NULL PRIMARY KEY,
  statement_sha256 TEXT NOT NULL REFERENCES policies(statement_sha256)
) WITHOUT ROWID;
)";

namespace {

std::string StatementDigest(absl::string_view jws) { return ToHex(crypto::Sha256(jws.substr(0, jws.rfind('.')))); }

std::optional<VersionState> ReadState(storage::Session& session, const std::string& name) {
  long long highest = 0;
  soci::indicator any = soci::i_null;
  if (!session.Row("SELECT MAX(version) FROM policies WHERE name = ?", soci::into(highest, any), soci::use(name)) ||
      any == soci::i_null)
    return std::nullopt;
  VersionState state;
  state.highest = static_cast<std::uint64_t>(highest);
  long long version = 0;
  long long signed_unix = 0;
  if (session.Row("SELECT p.version, p.owner, p.signed_unix FROM policies_in_force f JOIN policies p ON "
                  "p.statement_sha256 = f.statement_sha256 WHERE f.name = ?",
                  soci::into(version), soci::into(state.owner), soci::into(signed_unix), soci::use(name))) {
    state.in_force = static_cast<std::uint64_t>(version);
    state.signed_at = absl::FromUnixSeconds(signed_unix);
  }
  return state;
}

bool IsKnown(storage::Session& session, const std::string& digest) {
  long long one = 0;
  return session.Row("SELECT 1 FROM policies WHERE statement_sha256 = ?", soci::into(one), soci::use(digest));
}

}  // namespace

absl::Status DecideVersion(const std::optional<VersionState>& state, const StoredPolicy& candidate) {
  const auto refuse = [&candidate](absl::string_view why) {
    return Deny(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER,
                absl::StrCat(candidate.name, "@", candidate.version, ": ", why));
  };
  if (!state.has_value()) {
    if (candidate.rollback_from != 0) return refuse("a rollback, and no version of this policy is in force");
    return absl::OkStatus();
  }
  if (candidate.owner != state->owner) {
    return Deny(v1::DENY_REASON_POLICY_OWNER_UNKNOWN, absl::StrCat("the policy name ", candidate.name, " belongs to ",
                                                                   state->owner, ", not to ", candidate.owner));
  }
  if (candidate.rollback_from == 0) {
    if (candidate.version > state->highest) return absl::OkStatus();
    return refuse(absl::StrCat("version ", state->in_force, " is in force and ", state->highest, " the highest ever"));
  }
  if (candidate.rollback_from != state->in_force)
    return refuse(absl::StrCat("a rollback from ", candidate.rollback_from, ", and ", state->in_force, " is in force"));
  if (candidate.version >= state->in_force) return refuse("a rollback must go below the version in force");
  if (candidate.signed_at <= state->signed_at) return refuse("a rollback must be signed after the version in force");
  return absl::OkStatus();
}

absl::Status PolicyStore::Put(const StoredPolicy& policy, absl::Time now) {
  const std::string digest = StatementDigest(policy.jws);
  return database_.Write([&](storage::Session& session) -> absl::Status {
    if (IsKnown(session, digest)) {
      return Deny(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER,
                  absl::StrCat(policy.name, "@", policy.version, ": this very statement was loaded before"));
    }
    TWI_RETURN_IF_ERROR(DecideVersion(ReadState(session, policy.name), policy));
    const long long version = static_cast<long long>(policy.version);
    const long long signed_unix = absl::ToUnixSeconds(policy.signed_at);
    const long long loaded_unix_ms = absl::ToUnixMillis(now);
    const std::string sha256 = ToHex(policy.sha256);
    session.Change(
        "INSERT INTO policies(statement_sha256, name, version, owner, sha256, signed_unix, loaded_unix_ms, jws) VALUES "
        "(?, ?, ?, ?, ?, ?, ?, ?)",
        soci::use(digest), soci::use(policy.name), soci::use(version), soci::use(policy.owner), soci::use(sha256),
        soci::use(signed_unix), soci::use(loaded_unix_ms), soci::use(policy.jws));
    session.Change(
        "INSERT INTO policies_in_force(name, statement_sha256) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET "
        "statement_sha256 = excluded.statement_sha256",
        soci::use(policy.name), soci::use(digest));
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> PolicyStore::Known(absl::string_view jws) {
  bool known = false;
  TWI_RETURN_IF_ERROR(database_.Read([&](storage::Session& session) {
    known = IsKnown(session, StatementDigest(jws));
    return absl::OkStatus();
  }));
  return known;
}

absl::StatusOr<std::vector<std::string>> PolicyStore::LoadInForce() { return Page(std::nullopt, "", -1); }

absl::StatusOr<std::vector<std::string>> PolicyStore::Page(const std::optional<std::string>& owner,
                                                           absl::string_view after, int limit) {
  std::vector<std::string> all;
  TWI_RETURN_IF_ERROR(database_.Read([&](storage::Session& session) {
    const std::string from(after), whose = owner.value_or("");
    const int all_owners = owner.has_value() ? 0 : 1;
    std::string jws;
    session.Rows(
        "SELECT p.jws FROM policies_in_force f JOIN policies p ON p.statement_sha256 = f.statement_sha256 WHERE f.name "
        "> ? AND (? = 1 OR p.owner = ?) ORDER BY f.name LIMIT ?",
        [&] { all.push_back(jws); }, soci::into(jws), soci::use(from), soci::use(all_owners), soci::use(whose),
        soci::use(limit));
    return absl::OkStatus();
  }));
  return all;
}

}  // namespace twi::claims_mapper
