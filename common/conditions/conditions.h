// Named CEL conditions over JSON values: what the Appraisal Policy for Evidence, the Claims Mapper Policy and the
// Credential Key Release Policy are made of (architecture section 6).
#ifndef TWI_COMMON_CONDITIONS_CONDITIONS_H_
#define TWI_COMMON_CONDITIONS_CONDITIONS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/declarations.h"
#include "common/cel/program.h"
#include "common/cel/value.h"
#include "nlohmann/json.hpp"

namespace twi {

// JSON as a CEL value: integers are int (uint when above int64), other numbers double.
cel::Value JsonToCel(const nlohmann::json& json);

// The type of `results` (ResultsForPolicy in common/attestation_results): closed, so that a policy that names what no
// Attestation Results carry does not compile.
cel::Type ResultsType();
// The type of `evidence`: `format` and the claims of the format, whose fields differ by format (open).
cel::Type EvidenceType();
// The type of `software`: closed {name, version, vendor}.
cel::Type SoftwareType();

struct FailedCondition {
  std::string name;    // the condition's
  std::string source;  // the part of the expression that is not true
  std::string seen;
  std::string expected;
  std::string error;  // why it could not be evaluated; empty when it was false
  std::string ToString() const;
};

class Conditions {
 public:
  static constexpr std::size_t kMaxConditions = 64;
  static constexpr std::int64_t kMaxCost = 100000;  // units of common/cel, all conditions of one call together
  // Each (name, expression) must have a unique non-empty name and compile to bool with `variables`. EXPRESSION_INVALID
  // says which and where. At most kMaxConditions.
  static absl::StatusOr<Conditions> Compile(const std::vector<std::pair<std::string, std::string>>& named,
                                            const std::map<std::string, cel::Type>& variables);

  // Every condition that is not true; empty = all hold. All are evaluated, so that a refusal names everything that was
  // wrong.
  std::vector<FailedCondition> Failed(const cel::Activation& activation) const;
  // The quick form: true only when every condition is true.
  bool Hold(const cel::Activation& activation) const;

  struct Named {
    std::string name;
    cel::Program program;
  };
  const std::vector<Named>& all() const { return conditions_; }

 private:
  std::vector<Named> conditions_;
};

}  // namespace twi

#endif  // TWI_COMMON_CONDITIONS_CONDITIONS_H_
