#include "common/cel/eval.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/cel/call.h"
#include "common/cel/compare.h"

namespace twi::cel {

using Kind = Value::Kind;

const Value* Evaluator::FailAt(const Node& node, absl::string_view message) {
  constexpr size_t kShown = 80;
  absl::string_view source = absl::string_view(plan_.source).substr(node.begin, node.end - node.begin);
  return Fail(absl::StrCat(message, ": ", source.substr(0, kShown), source.size() > kShown ? "..." : ""));
}

const Value* Evaluator::Eval(const Node& node, Value* scratch) {
  if (!state_.Charge(1)) return nullptr;
  switch (node.op) {
    case Op::kLiteral:
      return &node.value;
    case Op::kVariable:
      return Variable(node);
    case Op::kLocal:
      return &locals_[node.slot];
    case Op::kRaise:
      return Fail(node.value.text());
    case Op::kSelect:
      return Select(node, scratch);
    case Op::kHas:
      return Has(node, scratch);
    case Op::kIndex:
      return Index(node, scratch);
    case Op::kIn:
      return In(node, scratch);
    case Op::kNot:
      return Not(node, scratch);
    case Op::kAnd:
    case Op::kOr:
      return Chain(node, scratch);
    case Op::kCondition:
      return Condition(node, scratch);
    case Op::kEqual:
    case Op::kNotEqual:
      return Equality(node, scratch);
    case Op::kCall:
      return CallFunction(node, scratch);
    case Op::kList:
      return MakeList(node, scratch);
    case Op::kMap:
      return MakeMap(node, scratch);
    case Op::kAll:
    case Op::kExists:
    case Op::kExistsOne:
      return Quantifier(node, scratch);
    case Op::kFilter:
    case Op::kMapTo:
      return Collect(node, scratch);
  }
  return Fail("unknown operation");
}

const Value* Evaluator::Variable(const Node& node) {
  const Value* v = variables_[node.slot];
  return v != nullptr ? v : Fail(absl::StrCat("variable '", plan_.variables[node.slot], "' has no value"));
}

namespace {

// Comparisons of a search by halves among n.
size_t Halvings(size_t n) {
  size_t steps = 0;
  for (; n > 0; n /= 2) ++steps;
  return steps;
}

}  // namespace

bool Evaluator::ChargeFind(const Value& value, size_t key_bytes) {
  return state_.ChargeSize(key_bytes * Halvings(value.entries().size()));
}

// A field that is absent is an error: a policy must ask has() first.
const Value* Evaluator::Select(const Node& node, Value* scratch) {
  Value base;
  const Value* operand = Eval(plan_.kid(node, 0), &base);
  if (operand == nullptr) return nullptr;
  if (!operand->Is(Kind::kMap)) return FailAt(node, absl::StrCat(KindName(operand->kind()), " has no fields"));
  if (!ChargeFind(*operand, node.value.text().size())) return nullptr;
  const Value* field = operand->Find(node.value.text());
  if (field == nullptr) return FailAt(node, "no such field");
  if (operand != &base) return field;
  *scratch = *field;
  return scratch;
}

const Value* Evaluator::Has(const Node& node, Value* scratch) {
  Value base;
  const Value* operand = Eval(plan_.kid(node, 0), &base);
  if (operand == nullptr) return nullptr;
  if (!operand->Is(Kind::kMap)) return FailAt(node, absl::StrCat(KindName(operand->kind()), " has no fields"));
  if (!ChargeFind(*operand, node.value.text().size())) return nullptr;
  *scratch = Value::Bool(operand->Find(node.value.text()) != nullptr);
  return scratch;
}

namespace {

// A list index from an int, a uint, or a double without a fraction; -1 when it is none.
int64_t IndexOf(const Value& v) {
  if (v.Is(Kind::kInt)) return v.int_value();
  if (v.Is(Kind::kUint)) return v.uint_value() > INT64_MAX ? -1 : static_cast<int64_t>(v.uint_value());
  const double d = v.double_value();
  return v.Is(Kind::kDouble) && d >= 0 && d < 1e15 && d == std::trunc(d) ? static_cast<int64_t>(d) : -1;
}

}  // namespace

const Value* Evaluator::Index(const Node& node, Value* scratch) {
  Value base, key;
  const Value* operand = Eval(plan_.kid(node, 0), &base);
  if (operand == nullptr) return nullptr;
  const Value* index = Eval(plan_.kid(node, 1), &key);
  if (index == nullptr) return nullptr;
  const Value* found = nullptr;
  if (operand->Is(Kind::kMap)) {
    if (!ChargeFind(*operand, index->text().size())) return nullptr;
    found = operand->Find(*index);
  } else if (operand->Is(Kind::kList)) {
    const int64_t i = IndexOf(*index);
    if (i >= 0 && static_cast<size_t>(i) < operand->list().size()) found = &operand->list()[i];
  } else {
    return FailAt(node, absl::StrCat(KindName(operand->kind()), " has no index"));
  }
  if (found == nullptr) return FailAt(node, operand->Is(Kind::kMap) ? "no such key" : "index out of range");
  if (operand != &base) return found;
  *scratch = *found;
  return scratch;
}

const Value* Evaluator::In(const Node& node, Value* scratch) {
  Value left, right;
  const Value* item = Eval(plan_.kid(node, 0), &left);
  if (item == nullptr) return nullptr;
  const Value* range = Eval(plan_.kid(node, 1), &right);
  if (range == nullptr) return nullptr;
  bool found = false;
  if (range->Is(Kind::kMap)) {
    if (!ChargeFind(*range, item->text().size())) return nullptr;
    found = range->Find(*item) != nullptr;
  } else if (range->Is(Kind::kList)) {
    for (const Value& element : range->list()) {
      found = Equals(*item, element, &state_.budget);
      if (!state_.Charged()) return nullptr;
      if (found) break;
    }
  } else {
    return FailAt(node, absl::StrCat("no such overload: in ", KindName(range->kind())));
  }
  *scratch = Value::Bool(found);
  return scratch;
}

bool Evaluator::Condition(const Node& node, bool* out) {
  Value scratch;
  const Value* v = Eval(node, &scratch);
  if (v == nullptr) return false;
  *out = v->bool_value();
  if (v->Is(Kind::kBool)) return true;
  FailAt(node, absl::StrCat("no such overload: expected bool, found ", KindName(v->kind())));
  return false;
}

const Value* Evaluator::Not(const Node& node, Value* scratch) {
  bool operand;
  if (!Condition(plan_.kid(node, 0), &operand)) return nullptr;
  *scratch = Value::Bool(!operand);
  return scratch;
}

// langdef "Logical Operators": false decides an AND and true an OR, whatever error stands beside it.
const Value* Evaluator::Chain(const Node& node, Value* scratch) {
  const bool decisive = node.op == Op::kOr;
  absl::Status first_error;
  for (size_t i = 0; i < node.kid_count; ++i) {
    bool value;
    if (!Condition(plan_.kid(node, i), &value)) {
      if (state_.fatal) return nullptr;
      if (first_error.ok()) first_error = std::move(state_.error);
      state_.error = absl::OkStatus();
    } else if (value == decisive) {
      *scratch = Value::Bool(decisive);
      return scratch;
    }
  }
  state_.error = std::move(first_error);
  if (!state_.error.ok()) return nullptr;
  *scratch = Value::Bool(!decisive);
  return scratch;
}

const Value* Evaluator::Condition(const Node& node, Value* scratch) {
  bool condition;
  if (!Condition(plan_.kid(node, 0), &condition)) return nullptr;
  return Eval(plan_.kid(node, condition ? 1 : 2), scratch);
}

const Value* Evaluator::Equality(const Node& node, Value* scratch) {
  Value left, right;
  const Value* a = Eval(plan_.kid(node, 0), &left);
  if (a == nullptr) return nullptr;
  const Value* b = Eval(plan_.kid(node, 1), &right);
  if (b == nullptr) return nullptr;
  const bool equal = Equals(*a, *b, &state_.budget);
  if (!state_.Charged()) return nullptr;
  *scratch = Value::Bool(equal == (node.op == Op::kEqual));
  return scratch;
}

const Value* Evaluator::CallFunction(const Node& node, Value* scratch) {
  Value values[kMaxArguments];
  const Value* args[kMaxArguments];
  for (size_t i = 0; i < node.kid_count; ++i) {
    args[i] = Eval(plan_.kid(node, i), &values[i]);
    if (args[i] == nullptr) return nullptr;
  }
  Call call{node.fn, args, node.kid_count};
  if (node.slot >= 0 && node.fn == Fn::kMatches) call.regex = plan_.regexes[node.slot].get();
  if (node.slot >= 0 && node.fn != Fn::kMatches) call.zone = &plan_.zones[node.slot];
  if (Dispatch(call, state_, scratch)) return scratch;
  if (state_.fatal) return nullptr;
  const std::string reason(state_.error.message());
  return FailAt(node, reason);
}

const Value* Evaluator::MakeList(const Node& node, Value* scratch) {
  std::vector<Value> items;
  items.reserve(node.kid_count);
  for (size_t i = 0; i < node.kid_count; ++i) {
    Value item;
    const Value* v = Eval(plan_.kid(node, i), &item);
    if (v == nullptr) return nullptr;
    if (v != &item) item = *v;
    items.push_back(std::move(item));
  }
  *scratch = Value::List(std::move(items));
  return scratch;
}

const Value* Evaluator::MakeMap(const Node& node, Value* scratch) {
  std::vector<Value::Entry> entries;
  size_t key_bytes = 0;
  for (size_t i = 0; i + 1 < node.kid_count; i += 2) {
    Value key, value;
    const Value* k = Eval(plan_.kid(node, i), &key);
    if (k == nullptr) return nullptr;
    const Value* v = Eval(plan_.kid(node, i + 1), &value);
    if (v == nullptr) return nullptr;
    key_bytes += k->text().size();
    entries.emplace_back(*k, *v);
  }
  // Sorting looks at every key about twice for each halving.
  if (!state_.ChargeSize(key_bytes * 2 * Halvings(entries.size()))) return nullptr;
  absl::StatusOr<Value> map = Value::MakeMap(std::move(entries));
  if (!map.ok()) return FailAt(node, map.status().message());
  *scratch = *std::move(map);
  return scratch;
}

}  // namespace twi::cel
