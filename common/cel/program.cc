#include "common/cel/program.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/cel/bind.h"
#include "common/cel/checker.h"
#include "common/cel/eval.h"
#include "common/cel/parser.h"
#include "common/status/status_macros.h"

namespace twi::cel {
namespace {

// Is a value of the declared result type? Only the outermost kind is looked at.
bool HasType(const Value& v, const Type& type) {
  if (type.is_dyn()) return true;
  static constexpr Type::Kind kOf[] = {Type::Kind::kNull,      Type::Kind::kBool,     Type::Kind::kInt,
                                       Type::Kind::kUint,      Type::Kind::kDouble,   Type::Kind::kString,
                                       Type::Kind::kBytes,     Type::Kind::kList,     Type::Kind::kMap,
                                       Type::Kind::kTimestamp, Type::Kind::kDuration, Type::Kind::kType};
  return kOf[static_cast<int>(v.kind())] == type.kind();
}

}  // namespace

void Activation::Set(absl::string_view name, Value value) {
  for (auto& [known, old] : values_) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  values_.emplace_back(std::string(name), std::move(value));
}

const Value* Activation::Find(absl::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (known == name) return &value;
  }
  return nullptr;
}

absl::StatusOr<std::vector<const Value*>> BindVariables(const Plan& plan, const Activation& activation,
                                                        const EvalLimits& limits) {
  std::vector<const Value*> out;
  out.reserve(plan.variables.size());
  for (const std::string& name : plan.variables) {
    const Value* value = activation.Find(name);
    if (value != nullptr && value->depth() > limits.max_value_depth) {
      return absl::InvalidArgumentError(absl::StrCat("variable '", name, "' is nested too deeply"));
    }
    out.push_back(value);
  }
  return out;
}

absl::StatusOr<Program> Compile(absl::string_view source, const Declarations& declarations) {
  TWI_ASSIGN_OR_RETURN(const Expr root, Parse(source, declarations.limits));
  TWI_ASSIGN_OR_RETURN(Plan plan, Checker::Check(source, root, declarations));
  return Program(std::make_shared<const Plan>(std::move(plan)));
}

absl::StatusOr<Value> Program::Evaluate(const Activation& activation, EvalLimits limits) const {
  TWI_ASSIGN_OR_RETURN(const std::vector<const Value*> variables, BindVariables(*plan_, activation, limits));
  const int64_t budget = BudgetOf(limits);
  Evaluator evaluator(*plan_, variables, budget);
  Value scratch;
  const Value* result = evaluator.Eval(plan_->nodes[plan_->root], &scratch);
  Spend(limits, budget - evaluator.state().budget);
  if (result == nullptr) return std::move(evaluator.state().error);
  if (!HasType(*result, plan_->result)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the result is of type ", KindName(result->kind()), ", not ", plan_->result.ToString()));
  }
  return *result;
}

absl::StatusOr<bool> Program::EvaluateBool(const Activation& activation, EvalLimits limits) const {
  TWI_ASSIGN_OR_RETURN(const Value value, Evaluate(activation, limits));
  if (!value.Is(Value::Kind::kBool)) return absl::InvalidArgumentError("the result is not a bool");
  return value.bool_value();
}

const Type& Program::deduced_type() const { return plan_->deduced; }
const std::string& Program::source() const { return plan_->source; }

}  // namespace twi::cel
