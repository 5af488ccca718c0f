// The Credential Key Release Policy (architecture section 6): which Attestation Results open one Credential Key. Given
// by the Workload Owner when the key is made, immutable while the key lives. Domain: a plain function over values.
#ifndef TWI_SERVICES_KEY_STORE_RELEASE_POLICY_H_
#define TWI_SERVICES_KEY_STORE_RELEASE_POLICY_H_

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attestation_results/attestation_results.h"
#include "common/cel/program.h"
#include "common/conditions/conditions.h"
#include "nlohmann/json.hpp"

namespace twi::key_store {

// Does the value at `path` ({"results", "software", "name"}) say which software runs? results.software.name, or a claim
// of the Evidence that does; not the format, the VMPL or a TCB: many workloads share those.
bool SaysWhichSoftware(const std::vector<std::string>& path);

class ReleasePolicy {
 public:
  static constexpr std::size_t kMaxDocument = 64 * 1024;

  // Checks: 1 byte to 64 KiB of YAML of a twi.config.v1.ReleasePolicy; 1..64 conditions with unique names; each
  // compiles to bool over `results`, whose type is closed: a name that no Attestation Results carry does not compile;
  // and at least one conjunct pins the software (release_policy.proto says how), since a policy that every attested
  // workload meets protects nothing. RELEASE_POLICY_INVALID with line and column: of the document, or, after the
  // condition's name, of its expression.
  static absl::StatusOr<ReleasePolicy> Compile(absl::string_view document);

  // OK when every condition is true. RELEASE_POLICY_REFUSED names each that is not, with expected and seen value.
  // `results` must be validated.
  absl::Status Match(const AttestationResults& results) const;
  // The same for the `results` object itself (ResultsForPolicy), or one that a Workload Owner anticipates: a member
  // that is left out makes the conditions on it fail.
  absl::Status MatchObject(const nlohmann::json& results) const;

  // Is the value at `path` ({"results", "software", "version"}) the same in all results that match? Only when a
  // top-level conjunct says that it, or an object that holds it, equals one literal.
  bool Pins(const std::vector<std::string>& path) const;
  // Do all results that match have one of `wanted.alternatives` at `wanted.path`? Only when a top-level conjunct says
  // so of that path, with no other alternative.
  bool Requires(const cel::RequiredLiteral& wanted) const;

 private:
  explicit ReleasePolicy(Conditions conditions) : conditions_(std::move(conditions)) {}
  Conditions conditions_;
};

// Compiled policies by key id. Sound because a key's policy never changes; bounded, so that many keys cost time and not
// memory. Thread-safe.
class ReleasePolicyCache {
 public:
  absl::StatusOr<std::shared_ptr<const ReleasePolicy>> Get(const std::string& key_id, absl::string_view document);

 private:
  static constexpr std::size_t kMaxEntries = 1024;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const ReleasePolicy>> compiled_;
};

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_RELEASE_POLICY_H_
