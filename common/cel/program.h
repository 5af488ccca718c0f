#ifndef TWI_COMMON_CEL_PROGRAM_H_
#define TWI_COMMON_CEL_PROGRAM_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/declarations.h"
#include "common/cel/value.h"

namespace twi::cel {

struct Plan;

// The values of the declared variables for one evaluation. One that is used but not set is an error.
class Activation {
 public:
  void Set(absl::string_view name, Value value);
  const Value* Find(absl::string_view name) const;  // null when not set

 private:
  std::vector<std::pair<std::string, Value>> values_;
};

struct EvalLimits {
  int64_t max_cost = 100000;      // units, see README.md; deterministic for the same values
  uint32_t max_value_depth = 64;  // nesting of lists and maps in a variable
  // When set, the units that several evaluations have together: each takes from it what it cost, and may cost no more
  // than is left. It never becomes negative.
  int64_t* shared_cost = nullptr;
};

// One pair that must hold for the whole expression to be true: the value at `path` equals one of `alternatives`
// (compare with Equals: 1, 1u and 1.0 are equal). Without alternatives the expression is never true.
struct RequiredLiteral {
  std::vector<std::string> path;  // the variable, then fields: {"claims", "env", "name"}
  std::vector<Value> alternatives;
};

// One top-level condition of a chain of && that is not true.
struct FailedConjunct {
  std::string source;    // its text
  std::string seen;      // of a comparison: the value of the side that is not the literal, as short CEL text
  std::string expected;  // of a comparison: operator and wanted value, as in `== "prod"`
  std::string error;     // why it could not be evaluated; empty when it was false
};

// A compiled expression. Copies share the plan. Const member functions may run in any number of threads.
class Program {
 public:
  // The value, of the declared result type. Errors:
  //   InvalidArgument: an absent field or key, a variable without value, kinds no overload takes, overflow, division
  //                    by zero, out of range; && || all() exists() absorb these as the language definition says
  //   ResourceExhausted: the cost limit, absorbed by nothing
  [[nodiscard]] absl::StatusOr<Value> Evaluate(const Activation& activation, EvalLimits limits = EvalLimits()) const;

  // Evaluate for a condition: anything but true or false is an error.
  [[nodiscard]] absl::StatusOr<bool> EvaluateBool(const Activation& activation, EvalLimits limits = EvalLimits()) const;

  // Every top-level conjunct that is not true, in order; all are evaluated, within one cost limit. Empty exactly when
  // EvaluateBool answers true.
  std::vector<FailedConjunct> FailedConjuncts(const Activation& activation, EvalLimits limits = EvalLimits()) const;

  // From the top-level conjuncts `path == literal`, `literal == path`, `path in [literals]`, with paths of selections
  // and ["literal"] indices. Nothing under || ! ?: or a macro counts.
  std::vector<RequiredLiteral> RequiredEqualities() const;

  // Every value of a variable that evaluating may look at, as paths like those of RequiredLiteral, each once. What is
  // chosen by a computed name ("a[b]") counts as all of "a".
  std::vector<std::vector<std::string>> ReadPaths() const;

  const Type& deduced_type() const;
  const std::string& source() const;

 private:
  friend absl::StatusOr<Program> Compile(absl::string_view source, const Declarations& declarations);
  explicit Program(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}
  std::shared_ptr<const Plan> plan_;
};

// Parses and checks. Every refusal is InvalidArgument "line:column: what is wrong".
[[nodiscard]] absl::StatusOr<Program> Compile(absl::string_view source, const Declarations& declarations);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_PROGRAM_H_
