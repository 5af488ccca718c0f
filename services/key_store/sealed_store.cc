#include "services/key_store/sealed_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::key_store {

const char kCredentialKeysSchema[] =
    "CREATE TABLE credential_keys("
    "key_id TEXT PRIMARY KEY NOT NULL, key_type INTEGER NOT NULL, owner TEXT NOT NULL, target TEXT NOT NULL, "
    "release_policy TEXT NOT NULL,"
    "release_policy_sha256 BLOB NOT NULL, spki BLOB NOT NULL, sealed_pkcs8 BLOB NOT NULL, created_unix_ms INTEGER NOT "
    "NULL);"
    "CREATE INDEX credential_keys_of_owner ON credential_keys(owner, key_id);"
    "CREATE TRIGGER credential_keys_immutable BEFORE UPDATE ON credential_keys "
    "BEGIN SELECT RAISE(ABORT, 'RELEASE_POLICY_IMMUTABLE'); END;"
    // INSERT OR REPLACE fires no delete trigger, but it does fire this one.
    "CREATE TRIGGER credential_keys_no_replacement BEFORE INSERT ON credential_keys WHEN EXISTS (SELECT 1 FROM "
    "credential_keys WHERE key_id = NEW.key_id) "
    "BEGIN SELECT RAISE(ABORT, 'RELEASE_POLICY_IMMUTABLE'); END;";

namespace {

void AppendLen32(std::string& out, absl::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((size >> shift) & 0xff));
  out.append(part.data(), part.size());
}

std::string SealContext(const CredentialKey& key) {
  std::string terms;
  for (const std::string& part :
       {absl::StrCat(static_cast<int>(key.type)), key.owner, key.target, key.release_policy, key.spki})
    AppendLen32(terms, part);
  return absl::StrCat("key-store/credential-key/", key.key_id, "/", ToHex(crypto::Sha256(terms)));
}

// A row as SOCI fills it.
struct Row {
  CredentialKey key;
  long long type = 0, created_ms = 0;

  CredentialKey Take() const {
    CredentialKey taken = key;
    taken.type = v1::CredentialKeyType_IsValid(static_cast<int>(type)) ? static_cast<v1::CredentialKeyType>(type)
                                                                       : v1::CREDENTIAL_KEY_TYPE_UNSPECIFIED;
    taken.created = absl::FromUnixMillis(created_ms);
    return taken;
  }
};

}  // namespace

absl::Status SealedStore::Add(CredentialKey key, const SecretBytes& pkcs8) {
  TWI_ASSIGN_OR_RETURN(key.sealed_pkcs8, sealer_.Seal(SealContext(key), pkcs8, random_));
  const std::string policy_sha256 = crypto::Sha256(key.release_policy);
  const long long type = key.type, created_ms = absl::ToUnixMillis(key.created);
  return database_.Write([&](storage::Session& s) {
    s.Change(
        "INSERT INTO credential_keys(key_id, key_type, owner, target, release_policy, release_policy_sha256, spki, "
        "sealed_pkcs8, created_unix_ms) "
        "VALUES (?, ?, ?, ?, ?, CAST(? AS BLOB), CAST(? AS BLOB), CAST(? AS BLOB), ?)",
        soci::use(key.key_id), soci::use(type), soci::use(key.owner), soci::use(key.target),
        soci::use(key.release_policy), soci::use(policy_sha256), soci::use(key.spki), soci::use(key.sealed_pkcs8),
        soci::use(created_ms));
    return absl::OkStatus();
  });
}

absl::StatusOr<CredentialKey> SealedStore::Find(const std::string& key_id) const {
  Row row;
  bool found = false;
  TWI_RETURN_IF_ERROR(database_.Read([&](storage::Session& s) {
    found = s.Row(
        "SELECT key_id, key_type, owner, target, release_policy, spki, sealed_pkcs8, created_unix_ms FROM "
        "credential_keys WHERE key_id = ?",
        soci::into(row.key.key_id), soci::into(row.type), soci::into(row.key.owner), soci::into(row.key.target),
        soci::into(row.key.release_policy), soci::into(row.key.spki), soci::into(row.key.sealed_pkcs8),
        soci::into(row.created_ms), soci::use(key_id));
    return absl::OkStatus();
  }));
  if (!found) return Deny(v1::DENY_REASON_KEY_UNKNOWN, absl::StrCat("no key ", key_id.substr(0, 64)));
  return row.Take();
}

absl::StatusOr<SecretBytes> SealedStore::Unseal(const CredentialKey& key) const {
  absl::StatusOr<SecretBytes> pkcs8 = sealer_.Open(SealContext(key), key.sealed_pkcs8);
  if (!pkcs8.ok())
    return WithContext(pkcs8.status(),
                       absl::StrCat("key ", key.key_id, ": changed in the database, or of another root key"));
  return pkcs8;
}

absl::StatusOr<std::vector<CredentialKey>> SealedStore::List(const std::string& owner, const std::string& after,
                                                             std::int64_t limit) const {
  std::vector<CredentialKey> keys;
  TWI_RETURN_IF_ERROR(database_.Read([&](storage::Session& s) {
    Row row;
    const long long count = limit;
    s.Rows(
        "SELECT key_id, key_type, owner, target, release_policy, spki, created_unix_ms FROM credential_keys WHERE "
        "owner = ? AND key_id > ? ORDER BY key_id LIMIT ?",
        [&] { keys.push_back(row.Take()); }, soci::into(row.key.key_id), soci::into(row.type),
        soci::into(row.key.owner), soci::into(row.key.target), soci::into(row.key.release_policy),
        soci::into(row.key.spki), soci::into(row.created_ms), soci::use(owner), soci::use(after), soci::use(count));
    return absl::OkStatus();
  }));
  return keys;
}

}  // namespace twi::key_store
