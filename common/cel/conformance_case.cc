#include "common/cel/conformance_case.h"

#include <cmath>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/cel/compare.h"
#include "common/cel/parser.h"
#include "common/cel/program.h"
#include "common/status/status_macros.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

// ---- The rules ----

struct ScopeRule {
  absl::string_view file;
  absl::string_view section;  // empty: every section
  absl::string_view reason;
};
constexpr ScopeRule kRules[] = {
    {"bindings_ext", "", "extension: cel.bind"},
    {"block_ext", "", "extension: cel.block"},
    {"encoders_ext", "", "extension: base64"},
    {"macros2", "", "extension: two-variable macros"},
    {"math_ext", "", "extension: math"},
    {"network_ext", "", "extension: ip and cidr"},
    {"optionals", "", "extension: optional values"},
    {"proto2_ext", "", "protobuf extension fields"},
    {"string_ext", "quote", "strings.quote()"},
    {"string_ext", "format", "string.format()"},
    {"string_ext", "format_errors", "string.format()"},
};
constexpr absl::string_view kMessages = "protobuf messages, enums, wrappers";

// The fields of a case that only protobuf values and types have.
constexpr absl::string_view kMessageFields[] = {"message_type", "enum_value", "wrapper", "object_value"};

bool HasMessageLiteral(const Expr& e) {
  if (e.kind == Expr::Kind::kMessage) return true;
  for (const Expr& child : e.children) {
    if (HasMessageLiteral(child)) return true;
  }
  return false;
}

// Timestamps and durations travel as messages in the files but are CEL values of their own.
bool IsTimeObject(const TextField& object) {
  return object.fields.size() == 1 && (absl::EndsWith(object.fields[0].name, "/google.protobuf.Timestamp") ||
                                       absl::EndsWith(object.fields[0].name, "/google.protobuf.Duration"));
}

bool UsesMessages(const TextField& at) {
  for (const TextField& f : at.fields) {
    for (const absl::string_view name : kMessageFields) {
      if (f.name == name && !(name == "object_value" && IsTimeObject(f))) return true;
    }
    if (f.name == "well_known" && f.scalar == "ANY") return true;
    if (UsesMessages(f)) return true;
  }
  return false;
}

// ---- Values and types of the files ----

absl::StatusOr<Value> ToValue(const TextField& value);

absl::StatusOr<Value> TimeValue(const TextField& object) {
  const TextField& fields = object.fields[0];
  const int64_t seconds = std::strtoll(fields.Text("seconds").c_str(), nullptr, 10);
  const int32_t nanos = static_cast<int32_t>(std::strtol(fields.Text("nanos").c_str(), nullptr, 10));
  if (absl::EndsWith(fields.name, "Timestamp")) return Value::MakeTimestamp(seconds, nanos);
  return Value::Duration(seconds * 1000000000 + nanos);
}

absl::StatusOr<Value> Container(const TextField& f) {
  if (f.name == "list_value") {
    std::vector<Value> items;
    for (const TextField* item : f.All("values")) {
      TWI_ASSIGN_OR_RETURN(Value v, ToValue(*item));
      items.push_back(std::move(v));
    }
    return Value::List(std::move(items));
  }
  std::vector<Value::Entry> entries;
  for (const TextField* entry : f.All("entries")) {
    TWI_ASSIGN_OR_RETURN(Value key, ToValue(*entry->Find("key")));
    TWI_ASSIGN_OR_RETURN(Value value, ToValue(*entry->Find("value")));
    entries.emplace_back(std::move(key), std::move(value));
  }
  return Value::MakeMap(std::move(entries));
}

absl::StatusOr<Value> ToValue(const TextField& value) {
  if (value.fields.size() != 1) return absl::InvalidArgumentError("harness: a value with one kind expected");
  const TextField& f = value.fields[0];
  if (f.name == "null_value") return Value::Null();
  if (f.name == "bool_value") return Value::Bool(f.scalar == "true");
  if (f.name == "int64_value") return Value::Int(std::strtoll(f.scalar.c_str(), nullptr, 10));
  if (f.name == "uint64_value") return Value::Uint(std::strtoull(f.scalar.c_str(), nullptr, 10));
  if (f.name == "double_value") return Value::Double(std::strtod(f.scalar.c_str(), nullptr));
  if (f.name == "string_value") return Value::String(f.scalar);
  if (f.name == "bytes_value") return Value::Bytes(f.scalar);
  if (f.name == "list_value" || f.name == "map_value") return Container(f);
  if (f.name == "object_value" && IsTimeObject(f)) return TimeValue(f);
  if (f.name == "type_value") {
    for (int k = 0; k <= static_cast<int>(Kind::kType); ++k) {
      if (KindName(static_cast<Kind>(k)) == f.scalar) return Value::Type(static_cast<Kind>(k));
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("harness: unknown value ", f.name));
}

absl::StatusOr<Type> ToType(const TextField& type) {
  if (type.fields.size() != 1) return absl::InvalidArgumentError("harness: a type with one kind expected");
  const TextField& f = type.fields[0];
  const std::string& s = f.scalar;
  if (f.name == "dyn") return Type::Dyn();
  if (f.name == "null") return Type::Null();
  if (f.name == "type") return Type::TypeType();
  if (s == "BOOL") return Type::Bool();
  if (s == "INT64") return Type::Int();
  if (s == "UINT64") return Type::Uint();
  if (s == "DOUBLE") return Type::Double();
  if (s == "STRING") return Type::String();
  if (s == "BYTES") return Type::Bytes();
  if (s == "TIMESTAMP") return Type::Timestamp();
  if (s == "DURATION") return Type::Duration();
  if (f.name == "list_type") {
    TWI_ASSIGN_OR_RETURN(Type element, ToType(*f.Find("elem_type")));
    return Type::List(element);
  }
  if (f.name == "map_type") {
    TWI_ASSIGN_OR_RETURN(Type key, ToType(*f.Find("key_type")));
    TWI_ASSIGN_OR_RETURN(Type value, ToType(*f.Find("value_type")));
    return Type::Map(key, value);
  }
  return absl::InvalidArgumentError(absl::StrCat("harness: unknown type ", f.name));
}

// Stricter than CEL's ==: the kinds agree too, at every level; NaN is itself, and zero has its sign.
bool Same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.Is(Kind::kDouble)) {
    const double x = a.double_value(), y = b.double_value();
    return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y);
  }
  if (a.list().size() != b.list().size() || a.entries().size() != b.entries().size()) return false;
  for (size_t i = 0; i < a.list().size(); ++i) {
    if (!Same(a.list()[i], b.list()[i])) return false;
  }
  for (size_t i = 0; i < a.entries().size(); ++i) {
    if (!Same(a.entries()[i].first, b.entries()[i].first) || !Same(a.entries()[i].second, b.entries()[i].second)) {
      return false;
    }
  }
  return a.Is(Kind::kList) || a.Is(Kind::kMap) || Equals(a, b);
}

absl::Status Bind(const TextField& test, Declarations* declarations, Activation* activation) {
  for (const TextField* binding : test.All("bindings")) {
    const TextField* expr_value = binding->Find("value");
    const TextField* value = expr_value == nullptr ? nullptr : expr_value->Find("value");
    if (value == nullptr) return absl::InvalidArgumentError("harness: a binding without value");
    TWI_ASSIGN_OR_RETURN(Value v, ToValue(*value));
    activation->Set(binding->Text("key"), std::move(v));
    declarations->variables[binding->Text("key")] = Type::Dyn();
  }
  for (const TextField* declaration : test.All("type_env")) {
    const TextField* ident = declaration->Find("ident");
    if (ident == nullptr) return absl::InvalidArgumentError("harness: a declaration that is no identifier");
    TWI_ASSIGN_OR_RETURN(declarations->variables[declaration->Text("name")], ToType(*ident->Find("type")));
  }
  return absl::OkStatus();
}

std::string ExpectValue(const absl::StatusOr<Value>& got, const TextField* wanted) {
  const absl::StatusOr<Value> expected = wanted == nullptr ? Value::Bool(true) : ToValue(*wanted);
  if (!expected.ok()) return std::string(expected.status().message());
  if (!got.ok()) return absl::StrCat("error: ", got.status().message());
  return Same(*got, *expected) ? "" : absl::StrCat("got ", got->ToCelText(), ", not ", expected->ToCelText());
}

std::string ExpectType(const Program& program, const TextField& wanted) {
  const absl::StatusOr<Type> expected = ToType(wanted);
  if (!expected.ok()) return std::string(expected.status().message());
  const std::string got = program.deduced_type().ToString();
  return got == expected->ToString() ? "" : absl::StrCat("type ", got, ", not ", expected->ToString());
}

// An evaluation error is expected. Our checker may refuse sooner; then the same must come out without it, so that a
// source that does not even parse never counts as a pass.
std::string ExpectError(const std::string& source, Declarations declarations, const Activation& activation) {
  absl::StatusOr<Program> program = Compile(source, declarations);
  if (!program.ok()) {
    declarations.insecure_skip_type_check = true;
    program = Compile(source, declarations);
  }
  if (!program.ok()) return absl::StrCat("does not compile: ", program.status().message());
  const absl::StatusOr<Value> got = program->Evaluate(activation);
  return got.ok() ? absl::StrCat("got ", got->ToCelText(), ", not an error") : "";
}

}  // namespace

std::string OutOfScope(absl::string_view file, absl::string_view section, const TextField& test) {
  for (const ScopeRule& rule : kRules) {
    if (rule.file == file && (rule.section.empty() || rule.section == section)) return std::string(rule.reason);
  }
  if (absl::StartsWith(test.Text("container"), "cel.expr.conformance.")) return std::string(kMessages);
  if (UsesMessages(test)) return std::string(kMessages);
  for (const TextField* declaration : test.All("type_env")) {
    if (declaration->Find("function") != nullptr) return "functions declared by the host";
  }
  if (absl::StrContains(test.Text("expr"), "optional.")) return "extension: optional values";
  const absl::StatusOr<Expr> parsed = Parse(test.Text("expr"));
  if (parsed.ok() && HasMessageLiteral(*parsed)) return std::string(kMessages);
  return "";
}

std::string RunCase(const TextField& test) {
  Declarations declarations;
  Activation activation;
  declarations.container = test.Text("container");
  declarations.insecure_skip_type_check = test.Text("disable_check") == "true";
  const absl::Status bound = Bind(test, &declarations, &activation);
  if (!bound.ok()) return std::string(bound.message());
  if (test.Find("unknown") != nullptr || test.Find("any_eval_errors") != nullptr) return "harness: unknown expectation";
  if (test.Find("eval_error") != nullptr) return ExpectError(test.Text("expr"), declarations, activation);

  const absl::StatusOr<Program> program = Compile(test.Text("expr"), declarations);
  if (!program.ok()) return absl::StrCat("does not compile: ", program.status().message());
  const TextField* typed = test.Find("typed_result");
  if (typed != nullptr && typed->Find("deduced_type") != nullptr) {
    std::string wrong = ExpectType(*program, *typed->Find("deduced_type"));
    if (!wrong.empty()) return wrong;
  }
  if (test.Text("check_only") == "true") return "";
  const TextField* wanted = typed != nullptr ? typed->Find("result") : test.Find("value");
  return ExpectValue(program->Evaluate(activation), wanted);
}

}  // namespace twi::cel
