// A Claims Mapper Policy, parsed, checked and compiled (draft section 4; architecture section 6). Immutable, so that it
// may be shared between threads.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_MAPPING_POLICY_H_
#define TWI_SERVICES_CLAIMS_MAPPER_MAPPING_POLICY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/cel/program.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/claims_mapper.pb.h"

namespace twi::claims_mapper {

constexpr absl::Duration kDefaultCredentialLife = absl::Hours(1);
constexpr absl::Duration kMinCredentialLife = absl::Minutes(1);
constexpr absl::Duration kMaxCredentialLife = absl::Hours(24);

struct Condition {
  std::string name;
  cel::Program program;  // bool
  bool uses_evidence = false;
};

struct MappedClaim {
  std::string name;
  nlohmann::json constant;              // string, bool or integer; null when `program` computes the claim
  std::optional<cel::Program> program;  // string, bool, int or list of strings
  absl::Duration volatile_for = absl::InfiniteDuration();
};

struct MappingPolicy {
  std::string name;
  std::uint64_t version = 0;
  std::uint64_t rollback_from = 0;  // 0: not a rollback
  std::string owner;                // SPIFFE ID
  std::string sha256;               // of the document, 32 bytes
  std::string workload_identifier;
  std::set<v1::InputKind> accepts;
  std::vector<Condition> match;  // all must be true
  std::vector<MappedClaim> claims;
  absl::Duration max_lifetime;  // already cut to the shortest volatile claim
  std::vector<std::string> dns_names;
  std::vector<cel::RequiredLiteral> required;  // what every input that matches has: for the index

  std::string Label() const;  // "payroll@3"
};

// Parses `document`; `source` is what errors call it ("payroll.yaml:12:3: ..."). Checks: the YAML's form, unknown and
// duplicate keys; every field's presence, form and range; names unique; every expression compiles over the closed
// schema of `results` (and `evidence`, when the policy accepts nothing but evidence) with the right type and is not
// false by its own words. POLICY_MALFORMED with every problem, each with file:line:column.
// The caller still checks: the owner, what the owner may grant (Owners::CheckEntitlement), the signature, the version.
absl::StatusOr<std::shared_ptr<const MappingPolicy>> ParseMappingPolicy(absl::string_view document,
                                                                        absl::string_view source);

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_MAPPING_POLICY_H_
