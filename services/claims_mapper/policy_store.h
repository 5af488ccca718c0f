// Policies as signed, at rest, and the rule about their versions. Every signed statement that was ever loaded is kept,
// so that an old one can never come back.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_POLICY_STORE_H_
#define TWI_SERVICES_CLAIMS_MAPPER_POLICY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/storage/database.h"

namespace twi::claims_mapper {

// The tables `policies` and `policies_in_force`: a daemon puts it in its Migrations.
extern const char kPoliciesSchema[];

struct StoredPolicy {
  std::string name;
  std::uint64_t version = 0;
  std::uint64_t rollback_from = 0;
  std::string owner;
  std::string sha256;    // of the document, 32 bytes
  absl::Time signed_at;  // whole seconds
  std::string jws;
};

// What is known of a policy's name.
struct VersionState {
  std::uint64_t highest = 0;  // ever in force
  std::uint64_t in_force = 0;
  std::string owner;     // of the one in force
  absl::Time signed_at;  // of the one in force
};

// May `candidate` take effect? `state` is empty for a name never seen. Versions only go up; back only by a rollback
// that names the version in force, goes below it and was signed after it. POLICY_VERSION_NOT_HIGHER;
// POLICY_OWNER_UNKNOWN when the name belongs to another owner.
absl::Status DecideVersion(const std::optional<VersionState>& state, const StoredPolicy& candidate);

class PolicyStore {
 public:
  explicit PolicyStore(storage::Database& database) : database_(database) {}

  // Decides and records in one transaction; on disk when it returns OK. A statement (header and payload of the JWS)
  // that was loaded before, ever, is POLICY_VERSION_NOT_HIGHER: the signature itself is left out of the comparison,
  // because ECDSA signatures can be changed without the key.
  absl::Status Put(const StoredPolicy& policy, absl::Time now);
  // Was this very statement loaded before?
  absl::StatusOr<bool> Known(absl::string_view jws);
  // JWS of each policy in force, by name.
  absl::StatusOr<std::vector<std::string>> LoadInForce();
  // JWS of at most `limit` policies in force whose names come after `after`, by name: those of `owner`, or all when it
  // is unset.
  absl::StatusOr<std::vector<std::string>> Page(const std::optional<std::string>& owner, absl::string_view after,
                                                int limit);

 private:
  storage::Database& database_;
};

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_POLICY_STORE_H_
