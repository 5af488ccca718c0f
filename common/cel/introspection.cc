// What a policy requires, and which of its conditions failed.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/cel/bind.h"
#include "common/cel/eval.h"
#include "common/cel/plan.h"
#include "common/cel/program.h"

namespace twi::cel {
namespace {

std::vector<const Node*> Conjuncts(const Plan& plan) {
  const Node& root = plan.nodes[plan.root];
  if (root.op != Op::kAnd) return {&root};
  std::vector<const Node*> out;
  for (size_t i = 0; i < root.kid_count; ++i) out.push_back(&plan.kid(root, i));
  return out;
}

// variable.field["field"]... as names; false for anything else.
bool PathOf(const Plan& plan, const Node& node, std::vector<std::string>* path) {
  const Node* at = &node;
  while (at->op == Op::kSelect || at->op == Op::kIndex) {
    const Value* name = &at->value;
    if (at->op == Op::kIndex) {
      const Node& index = plan.kid(*at, 1);
      if (index.op != Op::kLiteral || !index.value.Is(Value::Kind::kString)) return false;
      name = &index.value;
    }
    path->emplace_back(name->text());
    at = &plan.kid(*at, 0);
  }
  if (at->op != Op::kVariable) return false;
  path->push_back(plan.variables[at->slot]);
  std::reverse(path->begin(), path->end());
  return true;
}

void CollectPaths(const Plan& plan, const Node& node, std::set<std::vector<std::string>>* paths) {
  const bool has = node.op == Op::kHas;
  std::vector<std::string> path;
  if (PathOf(plan, has ? plan.kid(node, 0) : node, &path)) {
    if (has) path.emplace_back(node.value.text());
    paths->insert(std::move(path));
    return;
  }
  for (size_t i = 0; i < node.kid_count; ++i) CollectPaths(plan, plan.kid(node, i), paths);
}

// Symbol of a comparison, as it reads from the literal's other side; empty when the node is none.
absl::string_view ComparisonSymbol(const Node& node, bool swapped) {
  if (node.op == Op::kEqual) return "==";
  if (node.op == Op::kNotEqual) return "!=";
  if (node.op == Op::kIn) return swapped ? "contains" : "in";
  if (node.op != Op::kCall) return "";
  if (node.fn == Fn::kLess) return swapped ? ">" : "<";
  if (node.fn == Fn::kLessEqual) return swapped ? ">=" : "<=";
  if (node.fn == Fn::kGreater) return swapped ? "<" : ">";
  if (node.fn == Fn::kGreaterEqual) return swapped ? "<=" : ">=";
  return "";
}

// Evaluates one side of a comparison again, to show it. Empty when it is in error.
std::string Shown(const Node& node, Evaluator& evaluator) {
  Value scratch;
  const Value* v = evaluator.Eval(node, &scratch);
  return v == nullptr ? std::string() : v->ToCelText();
}

void ExplainComparison(const Plan& plan, const Node& node, Evaluator& evaluator, FailedConjunct* out) {
  if (ComparisonSymbol(node, false).empty()) return;
  const bool swapped = plan.kid(node, 0).op == Op::kLiteral && plan.kid(node, 1).op != Op::kLiteral;
  const Node& seen = plan.kid(node, swapped ? 1 : 0);
  const Node& wanted = plan.kid(node, swapped ? 0 : 1);
  const std::string text = Shown(wanted, evaluator);
  if (!text.empty()) out->expected = absl::StrCat(ComparisonSymbol(node, swapped), " ", text);
  out->seen = Shown(seen, evaluator);
}

}  // namespace

std::vector<RequiredLiteral> Program::RequiredEqualities() const {
  std::vector<RequiredLiteral> out;
  for (const Node* node : Conjuncts(*plan_)) {
    if (node->op != Op::kEqual && node->op != Op::kIn) continue;
    const Node *left = &plan_->kid(*node, 0), *right = &plan_->kid(*node, 1);
    if (node->op == Op::kEqual && left->op == Op::kLiteral) std::swap(left, right);
    RequiredLiteral required;
    if (right->op != Op::kLiteral || !PathOf(*plan_, *left, &required.path)) continue;
    if (node->op == Op::kEqual) {
      required.alternatives = {right->value};
    } else if (right->value.Is(Value::Kind::kList)) {
      required.alternatives = right->value.list();
    } else {  // in a map literal: one of its keys
      for (const Value::Entry& entry : right->value.entries()) required.alternatives.push_back(entry.first);
    }
    out.push_back(std::move(required));
  }
  return out;
}

std::vector<std::vector<std::string>> Program::ReadPaths() const {
  std::set<std::vector<std::string>> paths;
  CollectPaths(*plan_, plan_->nodes[plan_->root], &paths);
  return {paths.begin(), paths.end()};
}

std::vector<FailedConjunct> Program::FailedConjuncts(const Activation& activation, EvalLimits limits) const {
  std::vector<FailedConjunct> out;
  const auto variables = BindVariables(*plan_, activation, limits);
  if (!variables.ok()) return {{plan_->source, "", "", std::string(variables.status().message())}};
  const int64_t budget = BudgetOf(limits);
  Evaluator evaluator(*plan_, *variables, budget);
  // The chain itself costs what it does in Evaluate, so that both stop at the same limit.
  if (plan_->nodes[plan_->root].op == Op::kAnd) evaluator.state().Charge(1);
  for (const Node* node : Conjuncts(*plan_)) {
    Value scratch;
    const Value* result = evaluator.Eval(*node, &scratch);
    if (result != nullptr && result->bool_value()) continue;
    FailedConjunct failed;
    failed.source = plan_->source.substr(node->begin, node->end - node->begin);
    if (result == nullptr) {
      failed.error = std::string(evaluator.state().error.message());
    } else if (!result->Is(Value::Kind::kBool)) {
      failed.error = absl::StrCat("expected bool, found ", KindName(result->kind()));
    }
    ExplainComparison(*plan_, *node, evaluator, &failed);
    evaluator.state().error = absl::OkStatus();
    out.push_back(std::move(failed));
  }
  Spend(limits, budget - evaluator.state().budget);
  return out;
}

}  // namespace twi::cel
