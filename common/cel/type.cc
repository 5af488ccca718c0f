#include "common/cel/type.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace twi::cel {

struct Type::Params {
  Type first;   // element or key
  Type second;  // value
  bool object = false;
  bool closed = false;
  std::map<std::string, Type> fields;
};

Type Type::List(Type element) {
  Type out(Kind::kList);
  out.params_ = std::make_shared<Params>(Params{std::move(element), Dyn()});
  return out;
}

Type Type::Map(Type key, Type value) {
  Type out(Kind::kMap);
  out.params_ = std::make_shared<Params>(Params{std::move(key), std::move(value)});
  return out;
}

Type Type::Object(std::map<std::string, Type> fields) {
  Type out(Kind::kMap);
  out.params_ = std::make_shared<Params>(Params{String(), Dyn(), true, true, std::move(fields)});
  return out;
}

Type Type::OpenObject(std::map<std::string, Type> fields) {
  Type out(Kind::kMap);
  out.params_ = std::make_shared<Params>(Params{String(), Dyn(), true, false, std::move(fields)});
  return out;
}

Type Type::element() const { return kind_ == Kind::kList ? params_->first : Dyn(); }
Type Type::key() const { return kind_ == Kind::kMap ? params_->first : Dyn(); }
Type Type::value() const { return kind_ == Kind::kMap ? params_->second : Dyn(); }
const std::map<std::string, Type>* Type::fields() const {
  return kind_ == Kind::kMap && params_->object ? &params_->fields : nullptr;
}
bool Type::closed() const { return kind_ == Kind::kMap && params_->closed; }

std::string Type::ToString() const {
  static constexpr const char* kNames[] = {"free",   "dyn",   "null", "bool", "int",       "uint",     "double",
                                           "string", "bytes", "list", "map",  "timestamp", "duration", "type"};
  const char* const name = kNames[static_cast<int>(kind_)];
  if (kind_ == Kind::kList) return absl::StrCat("list(", element().ToString(), ")");
  if (kind_ == Kind::kMap) return absl::StrCat("map(", key().ToString(), ", ", value().ToString(), ")");
  return name;
}

bool Compatible(const Type& a, const Type& b) {
  if (a.is_dyn() || b.is_dyn()) return true;
  if (a.kind() != b.kind()) {
    // Timestamps and durations may be compared with null, as the conformance suite has it.
    const auto nullable = [](const Type& t) {
      return t.kind() == Type::Kind::kTimestamp || t.kind() == Type::Kind::kDuration;
    };
    return (a.kind() == Type::Kind::kNull && nullable(b)) || (b.kind() == Type::Kind::kNull && nullable(a));
  }
  if (a.kind() == Type::Kind::kList) return Compatible(a.element(), b.element());
  if (a.kind() == Type::Kind::kMap) return Compatible(a.key(), b.key()) && Compatible(a.value(), b.value());
  return true;
}

Type Join(const Type& a, const Type& b) {
  if (a.kind() == Type::Kind::kFree) return b;
  if (b.kind() == Type::Kind::kFree) return a;
  if (a.kind() != b.kind()) {
    if (!Compatible(a, b) || a.is_dyn() || b.is_dyn()) return Type::Dyn();
    return a.kind() == Type::Kind::kNull ? b : a;
  }
  if (a.kind() == Type::Kind::kList) return Type::List(Join(a.element(), b.element()));
  if (a.kind() == Type::Kind::kMap) {
    if (a.fields() != nullptr && a.fields() == b.fields()) return a;
    return Type::Map(Join(a.key(), b.key()), Join(a.value(), b.value()));
  }
  return a;
}

Type Settle(const Type& type) {
  if (type.kind() == Type::Kind::kFree) return Type::Dyn();
  if (type.kind() == Type::Kind::kList) return Type::List(Settle(type.element()));
  if (type.kind() == Type::Kind::kMap && type.fields() == nullptr) {
    return Type::Map(Settle(type.key()), Settle(type.value()));
  }
  return type;
}

}  // namespace twi::cel
