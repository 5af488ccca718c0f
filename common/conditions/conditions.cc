#include "common/conditions/conditions.h"

#include <cstdint>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi {
namespace {

using nlohmann::json;

absl::Status Invalid(absl::string_view name, absl::string_view detail) {
  return Deny(v1::DENY_REASON_EXPRESSION_INVALID, absl::StrCat("condition \"", name, "\": ", detail));
}

cel::EvalLimits Together(std::int64_t& left) {
  cel::EvalLimits limits;
  limits.shared_cost = &left;
  return limits;
}

}  // namespace

// Recursion is bounded by the JSON's depth, which its parser bounded (common/jose: 32).
cel::Value JsonToCel(const json& value) {
  switch (value.type()) {
    case json::value_t::boolean:
      return cel::Value::Bool(value.get<bool>());
    case json::value_t::number_integer:
      return cel::Value::Int(value.get<std::int64_t>());
    case json::value_t::number_unsigned: {
      const auto number = value.get<std::uint64_t>();
      if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return cel::Value::Int(static_cast<std::int64_t>(number));
      return cel::Value::Uint(number);
    }
    case json::value_t::number_float:
      return cel::Value::Double(value.get<double>());
    case json::value_t::string:
      return cel::Value::String(value.get_ref<const std::string&>());
    case json::value_t::array: {
      std::vector<cel::Value> list;
      list.reserve(value.size());
      for (const json& element : value) list.push_back(JsonToCel(element));
      return cel::Value::List(std::move(list));
    }
    case json::value_t::object: {
      std::map<std::string, cel::Value> map;
      for (const auto& [name, member] : value.items()) map.emplace(name, JsonToCel(member));
      return cel::Value::Map(std::move(map));
    }
    default:
      return cel::Value::Null();
  }
}

cel::Type SoftwareType() {
  return cel::Type::Object(
      {{"name", cel::Type::String()}, {"version", cel::Type::String()}, {"vendor", cel::Type::String()}});
}

cel::Type EvidenceType() {
  return cel::Type::OpenObject({{"format", cel::Type::String()}, {"insecure", cel::Type::Bool()}});
}

cel::Type ResultsType() {
  return cel::Type::Object({{"status", cel::Type::String()},
                            {"trustworthiness", cel::Type::Map(cel::Type::String(), cel::Type::Int())},
                            {"software", SoftwareType()},
                            {"policy_ids", cel::Type::List(cel::Type::String())},
                            {"audience", cel::Type::String()},
                            {"target", cel::Type::String()},
                            {"issuer", cel::Type::String()},
                            {"attester", EvidenceType()}});
}

std::string FailedCondition::ToString() const {
  if (!error.empty()) return absl::StrCat(name, ": ", source, ": ", error);
  if (seen.empty() && expected.empty()) return absl::StrCat(name, ": ", source, " is false");
  return absl::StrCat(name, ": ", source, ": saw ", seen, ", expected ", expected);
}

absl::StatusOr<Conditions> Conditions::Compile(const std::vector<std::pair<std::string, std::string>>& named,
                                               const std::map<std::string, cel::Type>& variables) {
  if (named.size() > kMaxConditions)
    return Deny(v1::DENY_REASON_EXPRESSION_INVALID,
                absl::StrCat(named.size(), " conditions, at most ", kMaxConditions));
  cel::Declarations declarations;
  declarations.variables = variables;
  declarations.result = cel::Type::Bool();
  Conditions conditions;
  std::set<std::string> names;
  for (const auto& [name, expression] : named) {
    if (name.empty()) return Invalid(expression, "it has no name");
    if (!names.insert(name).second) return Invalid(name, "the name is used twice");
    absl::StatusOr<cel::Program> program = cel::Compile(expression, declarations);
    if (!program.ok()) return Invalid(name, program.status().message());
    conditions.conditions_.push_back({name, *std::move(program)});
  }
  return conditions;
}

std::vector<FailedCondition> Conditions::Failed(const cel::Activation& activation) const {
  std::vector<FailedCondition> failed;
  std::int64_t left = kMaxCost;
  const cel::EvalLimits limits = Together(left);
  for (const Named& condition : conditions_) {
    for (const cel::FailedConjunct& conjunct : condition.program.FailedConjuncts(activation, limits)) {
      failed.push_back({condition.name, conjunct.source, conjunct.seen, conjunct.expected, conjunct.error});
    }
  }
  return failed;
}

bool Conditions::Hold(const cel::Activation& activation) const {
  std::int64_t left = kMaxCost;
  const cel::EvalLimits limits = Together(left);
  for (const Named& condition : conditions_) {
    const absl::StatusOr<bool> held = condition.program.EvaluateBool(activation, limits);
    if (!held.ok() || !*held) return false;
  }
  return true;
}

}  // namespace twi
