// Names and macros: which variable, field or type a name means, and what the macros bind.
#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/cel/checker.h"
#include "common/cel/lexer.h"
#include "common/status/status_macros.h"

namespace twi::cel {
namespace {

// a.b.c as {"a", "b", "c"}; false when it is not made of identifiers alone.
bool NameParts(const Expr& e, std::vector<std::string>* parts, bool* leading_dot) {
  const Expr* at = &e;
  for (; at->kind == Expr::Kind::kSelect; at = &at->children[0]) parts->push_back(at->name);
  if (at->kind != Expr::Kind::kIdent) return false;
  parts->push_back(at->name);
  *leading_dot = at->leading_dot;
  std::reverse(parts->begin(), parts->end());
  return true;
}

bool TypeNamed(absl::string_view name, Value::Kind* kind) {
  for (int k = 0; k <= static_cast<int>(Value::Kind::kType); ++k) {
    *kind = static_cast<Value::Kind>(k);
    if (KindName(*kind) == name) return true;
  }
  return false;
}

}  // namespace

bool Checker::IsLocal(absl::string_view name) const {
  return std::any_of(locals_.begin(), locals_.end(), [name](const auto& local) { return local.first == name; });
}

bool Checker::FindQualified(const Expr& e, Result* out) {
  std::vector<std::string> parts;
  bool leading_dot = false;
  if (!NameParts(e, &parts, &leading_dot) || (!leading_dot && IsLocal(parts[0]))) return false;
  const std::string name = absl::StrJoin(parts, ".");
  std::string container = leading_dot ? "" : declarations_.container;
  while (true) {  // "a.b" then "a" then "": langdef "Name Resolution"
    const std::string full = container.empty() ? name : absl::StrCat(container, ".", name);
    const auto it = declarations_.variables.find(full);
    if (it != declarations_.variables.end()) {
      Node node = NodeFor(Op::kVariable, e);
      const auto known = std::find(plan_.variables.begin(), plan_.variables.end(), full);
      node.slot = static_cast<int32_t>(known - plan_.variables.begin());
      if (known == plan_.variables.end()) plan_.variables.push_back(full);
      *out = Typed{Add(std::move(node)), it->second};
      return true;
    }
    if (container.empty()) break;
    const size_t dot = container.rfind('.');
    container.resize(dot == std::string::npos ? 0 : dot);
  }
  Value::Kind kind;
  if (!TypeNamed(name, &kind)) return false;
  *out = Literal(e, Value::Type(kind), Type::TypeType());
  return true;
}

Checker::Result Checker::VisitName(const Expr& e) {
  Result found = Typed{};
  if (FindQualified(e, &found)) return found;
  if (e.kind == Expr::Kind::kSelect) {
    TWI_ASSIGN_OR_RETURN(const Typed operand, Visit(e.children[0]));
    TWI_ASSIGN_OR_RETURN(Type type, FieldType(e, operand.type, e.name));
    Node node = NodeFor(Op::kSelect, e);
    node.value = Value::String(e.name);
    return Typed{Add(std::move(node), {operand.node}), std::move(type)};
  }
  if (!e.leading_dot) {
    for (size_t i = locals_.size(); i-- > 0;) {
      if (locals_[i].first != e.name) continue;
      Node node = NodeFor(Op::kLocal, e);
      node.slot = static_cast<int32_t>(i);
      return Typed{Add(std::move(node)), locals_[i].second};
    }
  }
  return Raise(e, absl::StrCat("undeclared variable '", e.name, "'"));
}

absl::StatusOr<Type> Checker::FieldType(const Expr& at, const Type& type, absl::string_view field) const {
  if (type.is_dyn()) return Type::Dyn();
  if (const std::map<std::string, Type>* fields = type.fields()) {
    const auto it = fields->find(std::string(field));
    if (it != fields->end()) return it->second;
    if (type.closed()) TWI_RETURN_IF_ERROR(Refuse(at, absl::StrCat("undeclared field '", field, "'")));
    return Type::Dyn();
  }
  if (type.kind() != Type::Kind::kMap || !Compatible(type.key(), Type::String())) {
    TWI_RETURN_IF_ERROR(Refuse(at, absl::StrCat("type ", type.ToString(), " has no fields")));
    return Type::Dyn();
  }
  return type.value();
}

Checker::Result Checker::VisitIndex(const Expr& e) {
  TWI_ASSIGN_OR_RETURN(const Typed base, Visit(e.children[0]));
  TWI_ASSIGN_OR_RETURN(const Typed index, Visit(e.children[1]));
  const uint32_t node = Add(NodeFor(Op::kIndex, e), {base.node, index.node});
  const Node& key = plan_.nodes[index.node];
  if (base.type.fields() != nullptr && key.op == Op::kLiteral && key.value.Is(Value::Kind::kString)) {
    TWI_ASSIGN_OR_RETURN(Type type, FieldType(e, base.type, key.value.text()));
    return Typed{node, std::move(type)};
  }
  const bool list = base.type.kind() == Type::Kind::kList, map = base.type.kind() == Type::Kind::kMap;
  const Type wanted = list ? Type::Int() : base.type.key();
  if ((!list && !map && !base.type.is_dyn()) || !Compatible(index.type, wanted)) {
    TWI_RETURN_IF_ERROR(
        Refuse(e, absl::StrCat("type ", base.type.ToString(), " has no index of type ", index.type.ToString())));
  }
  return Typed{node, list ? base.type.element() : base.type.value()};
}

Checker::Result Checker::VisitHas(const Expr& e) {
  if (e.children.size() != 1 || e.children[0].kind != Expr::Kind::kSelect) {
    return ErrorAt(plan_.source, e.begin, "has() takes one field selection, as in has(a.b)");
  }
  const Expr& selection = e.children[0];
  TWI_ASSIGN_OR_RETURN(const Typed operand, Visit(selection.children[0]));
  TWI_RETURN_IF_ERROR(FieldType(selection, operand.type, selection.name).status());
  Node node = NodeFor(Op::kHas, e);
  node.value = Value::String(selection.name);
  return Typed{Add(std::move(node), {operand.node}), Type::Bool()};
}

Op Checker::MacroOf(const Expr& e) {
  const size_t args = e.children.size() - (e.member ? 1 : 0);
  if (!e.member || args < 2 || args > 3) return Op::kCall;
  if (e.name == "map") return Op::kMapTo;
  if (args != 2) return Op::kCall;
  if (e.name == "all") return Op::kAll;
  if (e.name == "exists") return Op::kExists;
  if (e.name == "exists_one" || e.name == "existsOne") return Op::kExistsOne;
  return e.name == "filter" ? Op::kFilter : Op::kCall;
}

Checker::Result Checker::VisitComprehension(const Expr& e, Op op) {
  const Expr& variable = e.children[1];
  if (variable.kind != Expr::Kind::kIdent || variable.leading_dot) {
    return ErrorAt(plan_.source, variable.begin, "the first argument must be a simple variable name");
  }
  TWI_ASSIGN_OR_RETURN(const Typed range, Visit(e.children[0]));
  Type element = Type::Dyn();
  if (range.type.kind() == Type::Kind::kList) {
    element = range.type.element();
  } else if (range.type.kind() == Type::Kind::kMap) {
    element = range.type.key();
  } else if (!range.type.is_dyn()) {
    TWI_RETURN_IF_ERROR(Refuse(e, absl::StrCat("type ", range.type.ToString(), " cannot be iterated over")));
  }
  locals_.emplace_back(variable.name, element);
  plan_.locals = std::max(plan_.locals, static_cast<int>(locals_.size()));
  Node node = NodeFor(op, e);
  node.slot = static_cast<int32_t>(locals_.size() - 1);
  std::vector<uint32_t> kids = {range.node};
  Type last;
  for (size_t i = 2; i < e.children.size(); ++i) {
    Result body = Visit(e.children[i]);
    if (!body.ok()) return body;
    const bool transform = op == Op::kMapTo && i + 1 == e.children.size();
    if (!transform) TWI_RETURN_IF_ERROR(NeedBool(e.children[i], body->type));
    kids.push_back(body->node);
    last = body->type;
  }
  locals_.pop_back();
  const Type type = op == Op::kMapTo ? Type::List(last) : (op == Op::kFilter ? Type::List(element) : Type::Bool());
  return Typed{Add(std::move(node), kids), type};
}

}  // namespace twi::cel
