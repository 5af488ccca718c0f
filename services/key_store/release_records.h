// What was asked of each key and what came of it. A release is on disk before the sealed key leaves; so is a refusal
// before its answer. Whom the gate refuses (common/server: no identity, not allowed, too many requests) never comes so
// far, and is in the log alone.
#ifndef TWI_SERVICES_KEY_STORE_RELEASE_RECORDS_H_
#define TWI_SERVICES_KEY_STORE_RELEASE_RECORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/status/deny.h"
#include "common/storage/database.h"

namespace twi::key_store {

// SQL of the tables; part of the Key Store's migrations.
extern const char kReleaseRecordsSchema[];

struct ReleaseRecord {
  std::string key_id;  // as asked for; of a refusal empty when no such key is held, and then `detail` says it
  absl::Time at;
  std::string results_jti;     // of the Attestation Results; of a refusal empty when they did not validate
  std::string results_sha256;  // of the JWS, 32 bytes
  std::string peer;            // PeerIdentity::ToString
  DenyReason reason = v1::DENY_REASON_UNSPECIFIED;  // UNSPECIFIED: released
  std::string detail;                               // of a refusal: everything that was wrong, at most 2 KiB kept
};

// Thread-safe. Reads and writes are group commits (common/storage).
class ReleaseRecords {
 public:
  // Keeps the `max_refusals` latest refusals of each key, and as many of those that name no key held here: anybody can
  // cause one, so their number must be bounded, and must not drive out what was recorded of another key.
  ReleaseRecords(storage::Database& database, std::uint64_t max_refusals)
      : database_(database), max_refusals_(static_cast<long long>(max_refusals)) {}

  // Records a release and uses up its results_jti, in one transaction. RESULTS_REPLAYED when these Attestation Results
  // opened a key before, in this run or an earlier one.
  absl::Status AddRelease(const ReleaseRecord& record);
  absl::Status AddRefusal(const ReleaseRecord& record);

  struct Counts {
    std::uint64_t releases = 0, refusals = 0;
  };
  absl::StatusOr<Counts> Count(const std::string& key_id) const;
  // Of one key, oldest first: releases, then refusals.
  absl::StatusOr<std::vector<ReleaseRecord>> OfKey(const std::string& key_id) const;

 private:
  storage::Database& database_;
  const long long max_refusals_;
};

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_RELEASE_RECORDS_H_
