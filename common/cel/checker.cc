#include "common/cel/checker.h"

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/cel/lexer.h"
#include "common/cel/regex.h"
#include "common/cel/time_text.h"
#include "common/status/status_macros.h"

namespace twi::cel {

absl::StatusOr<Plan> Checker::Check(absl::string_view source, const Expr& root, const Declarations& declarations) {
  Checker checker(source, declarations);
  TWI_ASSIGN_OR_RETURN(const Typed typed, checker.Visit(root));
  checker.plan_.root = typed.node;
  checker.plan_.deduced = Settle(typed.type);
  checker.plan_.result = declarations.result;
  if (!Compatible(typed.type, declarations.result)) {
    TWI_RETURN_IF_ERROR(checker.Refuse(root, absl::StrCat("the expression is of type ", typed.type.ToString(), ", not ",
                                                          declarations.result.ToString())));
  }
  return std::move(checker.plan_);
}

absl::Status Checker::Refuse(const Expr& e, absl::string_view message) const {
  return declarations_.insecure_skip_type_check ? absl::OkStatus() : ErrorAt(plan_.source, e.begin, message);
}

Node Checker::NodeFor(Op op, const Expr& e) const {
  Node node;
  node.op = op;
  node.begin = static_cast<uint32_t>(e.begin);
  node.end = static_cast<uint32_t>(e.end);
  return node;
}

uint32_t Checker::Add(Node node, const std::vector<uint32_t>& kids) {
  node.kids = static_cast<uint32_t>(plan_.kids.size());
  node.kid_count = static_cast<uint32_t>(kids.size());
  plan_.kids.insert(plan_.kids.end(), kids.begin(), kids.end());
  plan_.nodes.push_back(std::move(node));
  return static_cast<uint32_t>(plan_.nodes.size() - 1);
}

Checker::Result Checker::Literal(const Expr& e, Value value, Type type) {
  Node node = NodeFor(Op::kLiteral, e);
  node.value = std::move(value);
  return Typed{Add(std::move(node)), std::move(type)};
}

Checker::Result Checker::Raise(const Expr& e, absl::string_view message) {
  TWI_RETURN_IF_ERROR(Refuse(e, message));
  Node node = NodeFor(Op::kRaise, e);
  node.value = Value::String(message);
  return Typed{Add(std::move(node)), Type::Dyn()};
}

bool Checker::AllLiterals(const std::vector<uint32_t>& nodes) const {
  return std::all_of(nodes.begin(), nodes.end(), [this](uint32_t n) { return plan_.nodes[n].op == Op::kLiteral; });
}

absl::Status Checker::NeedBool(const Expr& e, const Type& type) const {
  if (Compatible(type, Type::Bool())) return absl::OkStatus();
  return Refuse(e, absl::StrCat("expected bool, found ", type.ToString()));
}

Checker::Result Checker::Visit(const Expr& e) {
  static constexpr Type (*kTypes[])() = {Type::Null,   Type::Bool,   Type::Int,  Type::Uint,
                                         Type::Double, Type::String, Type::Bytes};
  switch (e.kind) {
    case Expr::Kind::kLiteral:
      return Literal(e, e.value, kTypes[static_cast<int>(e.value.kind())]());
    case Expr::Kind::kIdent:
    case Expr::Kind::kSelect:
      return VisitName(e);
    case Expr::Kind::kCall:
      return VisitCall(e);
    case Expr::Kind::kAnd:
    case Expr::Kind::kOr:
      return VisitChain(e);
    case Expr::Kind::kList:
      return VisitList(e);
    case Expr::Kind::kMap:
      return VisitMap(e);
    case Expr::Kind::kMessage:
      break;
  }
  return ErrorAt(plan_.source, e.begin, "message literals are not supported");
}

// Nested chains of the same operator become one: (a && b) && c.
Checker::Result Checker::VisitChain(const Expr& e) {
  const Op op = e.kind == Expr::Kind::kAnd ? Op::kAnd : Op::kOr;
  std::vector<uint32_t> kids;
  for (const Expr& child : e.children) {
    TWI_ASSIGN_OR_RETURN(const Typed typed, Visit(child));
    TWI_RETURN_IF_ERROR(NeedBool(child, typed.type));
    const Node& node = plan_.nodes[typed.node];
    if (node.op == op) {
      for (size_t i = 0; i < node.kid_count; ++i) kids.push_back(plan_.kids[node.kids + i]);
    } else {
      kids.push_back(typed.node);
    }
  }
  return Typed{Add(NodeFor(op, e), kids), Type::Bool()};
}

Checker::Result Checker::VisitList(const Expr& e) {
  std::vector<uint32_t> kids;
  Type element = Type::Free();
  for (const Expr& child : e.children) {
    TWI_ASSIGN_OR_RETURN(const Typed typed, Visit(child));
    element = kids.empty() ? typed.type : Join(element, typed.type);
    kids.push_back(typed.node);
  }
  if (!AllLiterals(kids)) return Typed{Add(NodeFor(Op::kList, e), kids), Type::List(element)};
  std::vector<Value> items;
  items.reserve(kids.size());
  for (const uint32_t n : kids) items.push_back(plan_.nodes[n].value);
  return Literal(e, Value::List(std::move(items)), Type::List(element));
}

Checker::Result Checker::VisitMap(const Expr& e) {
  std::vector<uint32_t> kids;
  Type types[2] = {Type::Free(), Type::Free()};  // key, value
  for (const Expr& child : e.children) {
    TWI_ASSIGN_OR_RETURN(const Typed typed, Visit(child));
    Type& type = types[kids.size() % 2];
    type = kids.size() < 2 ? typed.type : Join(type, typed.type);
    const Type::Kind k = typed.type.kind();
    if (kids.size() % 2 == 0 && !typed.type.is_dyn() && k != Type::Kind::kBool && k != Type::Kind::kInt &&
        k != Type::Kind::kUint && k != Type::Kind::kString) {
      TWI_RETURN_IF_ERROR(Refuse(child, absl::StrCat("unsupported map key type ", typed.type.ToString())));
    }
    kids.push_back(typed.node);
  }
  const Type type = Type::Map(types[0], types[1]);
  if (AllLiterals(kids)) {
    std::vector<Value::Entry> entries;
    for (size_t i = 0; i + 1 < kids.size(); i += 2) {
      entries.emplace_back(plan_.nodes[kids[i]].value, plan_.nodes[kids[i + 1]].value);
    }
    absl::StatusOr<Value> map = Value::MakeMap(std::move(entries));
    if (map.ok()) return Literal(e, *std::move(map), type);
    TWI_RETURN_IF_ERROR(Refuse(e, map.status().message()));
  }
  return Typed{Add(NodeFor(Op::kMap, e), kids), type};
}

Checker::Result Checker::VisitCall(const Expr& e) {
  if (!e.member && e.name == "has") return VisitHas(e);
  const Op macro = MacroOf(e);
  if (macro != Op::kCall) return VisitComprehension(e, macro);
  if (e.member) return VisitFunction(e);
  if (e.name == "_?_:_") return VisitCondition(e);
  if (e.name == "_==_" || e.name == "_!=_") return VisitEquality(e);
  if (e.name == "@in") return VisitIn(e);
  if (e.name == "_[_]") return VisitIndex(e);
  if (e.name == "!_") {
    TWI_ASSIGN_OR_RETURN(const Typed operand, Visit(e.children[0]));
    TWI_RETURN_IF_ERROR(NeedBool(e.children[0], operand.type));
    return Typed{Add(NodeFor(Op::kNot, e), {operand.node}), Type::Bool()};
  }
  return VisitFunction(e);
}

Checker::Result Checker::VisitFunction(const Expr& e) {
  std::vector<uint32_t> kids;
  std::vector<Type> types;
  const size_t reserve_for_receiver = e.member ? 1 : 0;
  for (size_t i = 0; i < e.children.size(); ++i) {
    Result arg = Visit(e.children[i]);
    if (!arg.ok()) return arg;
    kids.push_back(arg->node);
    types.push_back(arg->type);
  }
  const Resolution found = Resolve(e.name, e.member, types);
  using Outcome = Resolution::Outcome;
  if (found.outcome == Outcome::kUnknownFunction) return Raise(e, absl::StrCat("unknown function '", e.name, "'"));
  if (found.outcome == Outcome::kWrongArity || kids.size() > kMaxArguments) {
    return Raise(
        e, absl::StrCat("no overload of '", e.name, "' takes ", kids.size() - reserve_for_receiver, " arguments"));
  }
  if (found.outcome == Outcome::kNoOverload) {
    std::string list;
    for (const Type& t : types) absl::StrAppend(&list, list.empty() ? "" : ", ", t.ToString());
    TWI_RETURN_IF_ERROR(Refuse(e, absl::StrCat("no overload of '", e.name, "' for (", list, ")")));
  }
  Node node = NodeFor(Op::kCall, e);
  node.fn = found.fn;
  const uint32_t id = Add(std::move(node), kids);
  TWI_RETURN_IF_ERROR(PrepareCall(e, &plan_.nodes[id]));
  return Typed{id, found.result};
}

// Patterns and zones that are literals are made ready now, and refused now when they are bad.
absl::Status Checker::PrepareCall(const Expr& e, Node* node) {
  if (node->kid_count != 2) return absl::OkStatus();
  const Node& arg = plan_.kid(*node, 1);
  if (arg.op != Op::kLiteral || !arg.value.Is(Value::Kind::kString)) return absl::OkStatus();
  if (node->fn == Fn::kMatches) {
    if (plan_.regexes.size() == kMaxRegexes) return ErrorAt(plan_.source, e.begin, "too many regular expressions");
    absl::StatusOr<std::unique_ptr<RE2>> regex = CompileRegex(arg.value.text());
    if (!regex.ok()) return Refuse(e, regex.status().message());
    node->slot = static_cast<int32_t>(plan_.regexes.size());
    plan_.regexes.push_back(*std::move(regex));
  } else if (TakesZone(node->fn)) {
    absl::StatusOr<absl::TimeZone> zone = ParseZone(arg.value.text(), /*allow_names=*/true);
    if (!zone.ok()) return Refuse(e, zone.status().message());
    node->slot = static_cast<int32_t>(plan_.zones.size());
    plan_.zones.push_back(*zone);
  }
  return absl::OkStatus();
}

Checker::Result Checker::VisitCondition(const Expr& e) {
  TWI_ASSIGN_OR_RETURN(const Typed condition, Visit(e.children[0]));
  TWI_RETURN_IF_ERROR(NeedBool(e.children[0], condition.type));
  TWI_ASSIGN_OR_RETURN(const Typed then, Visit(e.children[1]));
  TWI_ASSIGN_OR_RETURN(const Typed otherwise, Visit(e.children[2]));
  if (!Compatible(then.type, otherwise.type)) {
    TWI_RETURN_IF_ERROR(
        Refuse(e, absl::StrCat("branches of types ", then.type.ToString(), " and ", otherwise.type.ToString())));
  }
  return Typed{Add(NodeFor(Op::kCondition, e), {condition.node, then.node, otherwise.node}),
               Join(then.type, otherwise.type)};
}

Checker::Result Checker::VisitEquality(const Expr& e) {
  TWI_ASSIGN_OR_RETURN(const Typed left, Visit(e.children[0]));
  TWI_ASSIGN_OR_RETURN(const Typed right, Visit(e.children[1]));
  if (!Compatible(left.type, right.type)) {
    TWI_RETURN_IF_ERROR(
        Refuse(e, absl::StrCat("types ", left.type.ToString(), " and ", right.type.ToString(), " are never equal")));
  }
  return Typed{Add(NodeFor(e.name == "_==_" ? Op::kEqual : Op::kNotEqual, e), {left.node, right.node}), Type::Bool()};
}

Checker::Result Checker::VisitIn(const Expr& e) {
  TWI_ASSIGN_OR_RETURN(const Typed item, Visit(e.children[0]));
  TWI_ASSIGN_OR_RETURN(const Typed range, Visit(e.children[1]));
  const bool list = range.type.kind() == Type::Kind::kList, map = range.type.kind() == Type::Kind::kMap;
  if ((!list && !map && !range.type.is_dyn()) ||
      !Compatible(item.type, map ? range.type.key() : range.type.element())) {
    TWI_RETURN_IF_ERROR(Refuse(e, absl::StrCat(item.type.ToString(), " is never in ", range.type.ToString())));
  }
  return Typed{Add(NodeFor(Op::kIn, e), {item.node, range.node}), Type::Bool()};
}

}  // namespace twi::cel
