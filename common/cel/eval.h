#ifndef TWI_COMMON_CEL_EVAL_H_
#define TWI_COMMON_CEL_EVAL_H_

#include <vector>

#include "common/cel/eval_state.h"
#include "common/cel/plan.h"
#include "common/cel/value.h"

namespace twi::cel {

// Walks a plan once. Recursion is bounded by the height of the expression (ParseLimits::max_depth).
class Evaluator {
 public:
  // `variables` follow plan.variables; null for one that has no value. All must outlive the Evaluator.
  Evaluator(const Plan& plan, const std::vector<const Value*>& variables, int64_t budget)
      : plan_(plan), variables_(variables), locals_(plan.locals) {
    state_.budget = budget;
  }

  // The result, which is *scratch or a value that outlives the call; null on an error, which is then in state().
  const Value* Eval(const Node& node, Value* scratch);
  EvalState& state() { return state_; }

 private:
  const Value* Fail(absl::string_view message) {
    state_.Fail(message);
    return nullptr;
  }
  const Value* FailAt(const Node& node, absl::string_view message);
  const Value* Variable(const Node& node);
  const Value* Select(const Node& node, Value* scratch);
  const Value* Has(const Node& node, Value* scratch);
  const Value* Index(const Node& node, Value* scratch);
  const Value* In(const Node& node, Value* scratch);
  const Value* Not(const Node& node, Value* scratch);
  const Value* Chain(const Node& node, Value* scratch);
  const Value* Condition(const Node& node, Value* scratch);
  const Value* Equality(const Node& node, Value* scratch);
  const Value* CallFunction(const Node& node, Value* scratch);
  const Value* MakeList(const Node& node, Value* scratch);
  const Value* MakeMap(const Node& node, Value* scratch);
  const Value* Quantifier(const Node& node, Value* scratch);  // all, exists, exists_one
  const Value* Collect(const Node& node, Value* scratch);     // filter, map
  bool Condition(const Node& node, bool* out);                // a bool, or an error
  // Charges what value.Find of a text of that many bytes may take.
  bool ChargeFind(const Value& value, size_t key_bytes);

  const Plan& plan_;
  const std::vector<const Value*>& variables_;
  std::vector<Value> locals_;
  EvalState state_;
};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_EVAL_H_
