// Finds the policies that may match an input without looking at the others: a tree over the literals that policies
// require (`results.software.name == "payroll"`). Immutable.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_POLICY_INDEX_H_
#define TWI_SERVICES_CLAIMS_MAPPER_POLICY_INDEX_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/program.h"
#include "services/claims_mapper/mapping_policy.h"

namespace twi::claims_mapper {

using PolicyPtr = std::shared_ptr<const MappingPolicy>;

// Policies that require no literal at all are looked at for every input, so there may be only a few of them.
constexpr std::size_t kMaxUnindexed = 64;
// Distinct fields that the first step of a lookup reads.
constexpr std::size_t kMaxIndexedFields = 64;

class PolicyIndex {
 public:
  // Names are unique. O(n log n) for n policies. POLICY_MALFORMED when a limit above is exceeded: the policies named
  // would make every request slower.
  static absl::StatusOr<std::shared_ptr<const PolicyIndex>> Build(std::vector<PolicyPtr> policies);
  ~PolicyIndex();

  // Every policy that can match `input`, and few others: for each distinct indexed field one read and one hash lookup,
  // then the same among the policies found. Costs the same with ten policies and with a hundred thousand, unless those
  // require the same literals.
  std::vector<const MappingPolicy*> Candidates(const cel::Activation& input) const;

  // At most `limit` policies that came nearest to `input`: to explain why none matched. Empty when none of many came
  // near.
  std::vector<const MappingPolicy*> Nearest(const cel::Activation& input, std::size_t limit) const;

  const MappingPolicy* FindByName(absl::string_view name) const;  // null: none
  const std::vector<PolicyPtr>& policies() const { return policies_; }
  std::size_t unindexed() const { return unindexed_; }  // policies without literals
  std::vector<std::string> fields() const;              // "results.software.name": read by the first step

 private:
  struct Node;
  explicit PolicyIndex(std::vector<PolicyPtr> policies);

  std::vector<PolicyPtr> policies_;
  absl::flat_hash_map<std::string, const MappingPolicy*> by_name_;
  std::unique_ptr<const Node> root_;
  std::size_t unindexed_ = 0;
};

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_POLICY_INDEX_H_
