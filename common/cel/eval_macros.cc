// The macros over lists (elements) and maps (keys).
#include "absl/strings/str_cat.h"
#include "common/cel/eval.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

bool Iterable(const Value& v) { return v.Is(Kind::kList) || v.Is(Kind::kMap); }
size_t Count(const Value& v) { return v.Is(Kind::kList) ? v.list().size() : v.entries().size(); }
const Value& Item(const Value& v, size_t i) { return v.Is(Kind::kList) ? v.list()[i] : v.entries()[i].first; }

}  // namespace

// all() and exists() absorb errors like && and ||; exists_one() does not.
const Value* Evaluator::Quantifier(const Node& node, Value* scratch) {
  Value base;
  const Value* range = Eval(plan_.kid(node, 0), &base);
  if (range == nullptr) return nullptr;
  if (!Iterable(*range)) return FailAt(node, absl::StrCat(KindName(range->kind()), " cannot be iterated over"));
  const Node& body = plan_.kid(node, 1);
  absl::Status first_error;
  size_t trues = 0;
  for (size_t i = 0; i < Count(*range); ++i) {
    if (!state_.Charge(1)) return nullptr;
    locals_[node.slot] = Item(*range, i);
    bool value;
    if (!Condition(body, &value)) {
      if (state_.fatal || node.op == Op::kExistsOne) return nullptr;
      if (first_error.ok()) first_error = std::move(state_.error);
      state_.error = absl::OkStatus();
      continue;
    }
    trues += value;
    if (node.op != Op::kExistsOne && value == (node.op == Op::kExists)) {
      *scratch = Value::Bool(value);
      return scratch;
    }
  }
  state_.error = std::move(first_error);
  if (!state_.error.ok()) return nullptr;
  *scratch = Value::Bool(node.op == Op::kExistsOne ? trues == 1 : node.op == Op::kAll);
  return scratch;
}

const Value* Evaluator::Collect(const Node& node, Value* scratch) {
  Value base;
  const Value* range = Eval(plan_.kid(node, 0), &base);
  if (range == nullptr) return nullptr;
  if (!Iterable(*range)) return FailAt(node, absl::StrCat(KindName(range->kind()), " cannot be iterated over"));
  const bool filtered = node.op == Op::kFilter || node.kid_count == 3;
  std::vector<Value> items;
  for (size_t i = 0; i < Count(*range); ++i) {
    if (!state_.Charge(1)) return nullptr;
    locals_[node.slot] = Item(*range, i);
    bool keep = true;
    if (filtered && !Condition(plan_.kid(node, 1), &keep)) return nullptr;
    if (!keep) continue;
    if (node.op == Op::kFilter) {
      items.push_back(locals_[node.slot]);
      continue;
    }
    Value item;
    const Value* v = Eval(plan_.kid(node, node.kid_count - 1), &item);
    if (v == nullptr) return nullptr;
    if (v != &item) item = *v;
    items.push_back(std::move(item));
  }
  *scratch = Value::List(std::move(items));
  return scratch;
}

}  // namespace twi::cel
