// The policies in force at one moment. Immutable: a request maps with the one that it began with, and a new policy
// makes a new snapshot.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_POLICY_SNAPSHOT_H_
#define TWI_SERVICES_CLAIMS_MAPPER_POLICY_SNAPSHOT_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/claims_mapper/policy_index.h"

namespace twi::claims_mapper {

class PolicySnapshot {
 public:
  using Ptr = std::shared_ptr<const PolicySnapshot>;

  // One build over all: at start. Names are unique. Errors: PolicyIndex::Build.
  static absl::StatusOr<Ptr> FromPolicies(std::vector<PolicyPtr> policies);

  // This snapshot with `policy` added, in the place of the one of the same name if there is one. The many are shared
  // and not built again: new policies stand in a small index of their own, which is joined with the large one when it
  // has grown to kMaxRecent.
  absl::StatusOr<Ptr> With(PolicyPtr policy) const;

  std::vector<const MappingPolicy*> Candidates(const cel::Activation& input) const;
  std::vector<const MappingPolicy*> Nearest(const cel::Activation& input, std::size_t limit) const;
  const MappingPolicy* FindByName(absl::string_view name) const;
  std::size_t size() const;
  std::vector<PolicyPtr> policies() const;
  // "results.software.name" ...: what policies are found by.
  std::vector<std::string> fields() const;

  static constexpr std::size_t kMaxRecent = 256;

 private:
  PolicySnapshot(std::shared_ptr<const PolicyIndex> base, std::shared_ptr<const PolicyIndex> recent)
      : base_(std::move(base)), recent_(std::move(recent)) {}
  // Keeps what `recent_` does not replace.
  std::vector<const MappingPolicy*> InForce(std::vector<const MappingPolicy*> from_base,
                                            std::vector<const MappingPolicy*> from_recent) const;

  std::shared_ptr<const PolicyIndex> base_;
  std::shared_ptr<const PolicyIndex> recent_;  // its policies win over those of the same name in base_
};

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_POLICY_SNAPSHOT_H_
