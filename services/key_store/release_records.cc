#include "services/key_store/release_records.h"

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace twi::key_store {

const char kReleaseRecordsSchema[] =
    "CREATE TABLE releases("
    "id INTEGER PRIMARY KEY, key_id TEXT NOT NULL, at_unix_ms INTEGER NOT NULL, results_jti TEXT NOT NULL UNIQUE, "
    "results_sha256 BLOB NOT NULL, peer TEXT NOT NULL);"
    "CREATE INDEX releases_of_key ON releases(key_id);"
    "CREATE TABLE refusals("
    "id INTEGER PRIMARY KEY, key_id TEXT NOT NULL, at_unix_ms INTEGER NOT NULL, reason INTEGER NOT NULL, detail TEXT "
    "NOT NULL, results_jti TEXT NOT NULL,"
    "results_sha256 BLOB NOT NULL, peer TEXT NOT NULL);"
    "CREATE INDEX refusals_of_key ON refusals(key_id);";

namespace {

constexpr std::size_t kMaxKeyId = 64;
constexpr std::size_t kMaxDetail = 2048;

}  // namespace

absl::Status ReleaseRecords::AddRelease(const ReleaseRecord& record) {
  const long long at = absl::ToUnixMillis(record.at);
  return database_.Write([&](storage::Session& s) -> absl::Status {
    const long long added = s.Change(
        "INSERT OR IGNORE INTO releases(key_id, at_unix_ms, results_jti, results_sha256, peer) VALUES (?, ?, ?, CAST(? "
        "AS BLOB), ?)",
        soci::use(record.key_id), soci::use(at), soci::use(record.results_jti), soci::use(record.results_sha256),
        soci::use(record.peer));
    if (added == 0)
      return Deny(v1::DENY_REASON_RESULTS_REPLAYED,
                  absl::StrCat("Attestation Results ", record.results_jti, " opened a key before"));
    return absl::OkStatus();
  });
}

absl::Status ReleaseRecords::AddRefusal(const ReleaseRecord& record) {
  const long long at = absl::ToUnixMillis(record.at), reason = record.reason;
  return database_.Write([&](storage::Session& s) {
    std::string key_id = record.key_id.substr(0, kMaxKeyId), detail = record.detail;
    long long one = 0;
    if (!s.Row("SELECT 1 FROM credential_keys WHERE key_id = ?", soci::into(one), soci::use(key_id))) {
      detail = absl::StrCat("asked for \"", key_id, "\": ", detail);
      key_id.clear();
    }
    if (detail.size() > kMaxDetail) detail.resize(kMaxDetail);
    s.Change(
        "INSERT INTO refusals(key_id, at_unix_ms, reason, detail, results_jti, results_sha256, peer) VALUES (?, ?, ?, "
        "?, ?, CAST(? AS BLOB), ?)",
        soci::use(key_id), soci::use(at), soci::use(reason), soci::use(detail), soci::use(record.results_jti),
        soci::use(record.results_sha256), soci::use(record.peer));
    s.Change(
        "DELETE FROM refusals WHERE key_id = ? AND id <= (SELECT id FROM refusals WHERE key_id = ? ORDER BY id DESC "
        "LIMIT 1 OFFSET ?)",
        soci::use(key_id), soci::use(key_id), soci::use(max_refusals_));
    return absl::OkStatus();
  });
}

absl::StatusOr<ReleaseRecords::Counts> ReleaseRecords::Count(const std::string& key_id) const {
  long long releases = 0, refusals = 0;
  TWI_RETURN_IF_ERROR(database_.Read([&](storage::Session& s) {
    s.Row("SELECT count(*) FROM releases WHERE key_id = ?", soci::into(releases), soci::use(key_id));
    s.Row("SELECT count(*) FROM refusals WHERE key_id = ?", soci::into(refusals), soci::use(key_id));
    return absl::OkStatus();
  }));
  return Counts{static_cast<std::uint64_t>(releases), static_cast<std::uint64_t>(refusals)};
}

absl::StatusOr<std::vector<ReleaseRecord>> ReleaseRecords::OfKey(const std::string& key_id) const {
  std::vector<ReleaseRecord> records;
  TWI_RETURN_IF_ERROR(database_.Read([&](storage::Session& s) {
    ReleaseRecord row;
    row.key_id = key_id;
    long long at = 0, reason = 0;
    const auto take = [&] {
      row.at = absl::FromUnixMillis(at);
      row.reason =
          v1::DenyReason_IsValid(static_cast<int>(reason)) ? static_cast<DenyReason>(reason) : v1::DENY_REASON_INTERNAL;
      records.push_back(row);
    };
    s.Rows("SELECT at_unix_ms, results_jti, results_sha256, peer FROM releases WHERE key_id = ? ORDER BY id", take,
           soci::into(at), soci::into(row.results_jti), soci::into(row.results_sha256), soci::into(row.peer),
           soci::use(key_id));
    s.Rows(
        "SELECT at_unix_ms, reason, detail, results_jti, results_sha256, peer FROM refusals WHERE key_id = ? ORDER BY "
        "id",
        take, soci::into(at), soci::into(reason), soci::into(row.detail), soci::into(row.results_jti),
        soci::into(row.results_sha256), soci::into(row.peer), soci::use(key_id));
    return absl::OkStatus();
  }));
  return records;
}

}  // namespace twi::key_store
