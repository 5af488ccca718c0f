#include <cmath>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/cel/call.h"
#include "common/cel/time_text.h"
#include "common/cel/utf8.h"
#include "common/cel/value_text.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

bool ToBool(const Call& call, EvalState& state, Value* out) {
  if (!call.Is(0, Kind::kString)) return NoOverload(call, state);
  const absl::string_view s = call[0].text();
  const bool yes = s == "1" || s == "t" || s == "T" || s == "true" || s == "True" || s == "TRUE";
  const bool no = s == "0" || s == "f" || s == "F" || s == "false" || s == "False" || s == "FALSE";
  if (!yes && !no) return state.Fail("not a bool");
  *out = Value::Bool(yes);
  return true;
}

// Decimal digits with an optional sign and nothing else: SimpleAtoi alone would accept spaces.
bool PlainInteger(absl::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (s.empty()) return false;
  for (const char c : s) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return true;
}

bool ToInt(const Call& call, EvalState& state, Value* out) {
  const Value& v = call[0];
  int64_t result = 0;
  if (v.Is(Kind::kUint)) {
    if (v.uint_value() > static_cast<uint64_t>(INT64_MAX)) return state.Fail("int out of range");
    result = static_cast<int64_t>(v.uint_value());
  } else if (v.Is(Kind::kDouble)) {  // towards zero; both ends excluded because they may be rounded values
    const double d = v.double_value();
    if (!(d > -9223372036854775808.0 && d < 9223372036854775808.0)) return state.Fail("int out of range");
    result = static_cast<int64_t>(d);
  } else if (v.Is(Kind::kString)) {
    if (!PlainInteger(v.text()) || !absl::SimpleAtoi(v.text(), &result)) return state.Fail("not an int");
  } else if (v.Is(Kind::kTimestamp)) {
    result = v.seconds();
  } else {
    return NoOverload(call, state);
  }
  *out = Value::Int(result);
  return true;
}

bool ToUint(const Call& call, EvalState& state, Value* out) {
  const Value& v = call[0];
  uint64_t result = 0;
  if (v.Is(Kind::kInt)) {
    if (v.int_value() < 0) return state.Fail("uint out of range");
    result = static_cast<uint64_t>(v.int_value());
  } else if (v.Is(Kind::kDouble)) {
    const double d = v.double_value();
    if (!(d >= 0 && d < 18446744073709551616.0)) return state.Fail("uint out of range");
    result = static_cast<uint64_t>(d);
  } else if (v.Is(Kind::kString)) {
    const absl::string_view s = v.text();
    if (!PlainInteger(s) || s[0] == '-' || !absl::SimpleAtoi(s, &result)) return state.Fail("not a uint");
  } else {
    return NoOverload(call, state);
  }
  *out = Value::Uint(result);
  return true;
}

bool ParseDouble(absl::string_view s, double* out) {
  if (s == "NaN" || s == "Infinity" || s == "-Infinity") return absl::SimpleAtod(s, out);
  if (s.empty() || s.size() > 512 || s.find_first_not_of("+-.eE0123456789") != absl::string_view::npos) return false;
  return absl::SimpleAtod(s, out) && !std::isinf(*out);
}

bool ToDouble(const Call& call, EvalState& state, Value* out) {
  const Value& v = call[0];
  double result = 0;
  if (v.Is(Kind::kInt)) {
    result = static_cast<double>(v.int_value());
  } else if (v.Is(Kind::kUint)) {
    result = static_cast<double>(v.uint_value());
  } else if (v.Is(Kind::kString)) {
    if (!ParseDouble(v.text(), &result)) return state.Fail("not a double");
  } else {
    return NoOverload(call, state);
  }
  *out = Value::Double(result);
  return true;
}

bool ToString(const Call& call, EvalState& state, Value* out) {
  const Value& v = call[0];
  std::string text;
  if (v.Is(Kind::kBool)) {
    text = v.bool_value() ? "true" : "false";
  } else if (v.Is(Kind::kInt)) {
    text = absl::StrCat(v.int_value());
  } else if (v.Is(Kind::kUint)) {
    text = absl::StrCat(v.uint_value());
  } else if (v.Is(Kind::kDouble)) {
    text = DoubleText(v.double_value());
  } else if (v.Is(Kind::kTimestamp)) {
    text = FormatTimestamp(v.seconds(), v.nanos());
  } else if (v.Is(Kind::kDuration)) {
    text = FormatDuration(v.duration_nanos());
  } else if (v.Is(Kind::kBytes)) {
    if (!IsUtf8(v.text())) return state.Fail("bytes are not UTF-8");
    text = std::string(v.text());
  } else {
    return NoOverload(call, state);
  }
  *out = Value::String(text);
  return true;
}

bool ToTimestamp(const Call& call, EvalState& state, Value* out) {
  TimestampParts parts{call[0].int_value(), 0};
  if (call.Is(0, Kind::kString)) {
    const absl::StatusOr<TimestampParts> parsed = ParseTimestamp(call[0].text());
    if (!parsed.ok()) return state.Fail(parsed.status().message());
    parts = *parsed;
  } else if (!call.Is(0, Kind::kInt)) {
    return NoOverload(call, state);
  }
  absl::StatusOr<Value> made = Value::MakeTimestamp(parts.seconds, parts.nanos);
  if (!made.ok()) return state.Fail(made.status().message());
  *out = *std::move(made);
  return true;
}

bool ToDuration(const Call& call, EvalState& state, Value* out) {
  if (!call.Is(0, Kind::kString)) return NoOverload(call, state);
  const absl::StatusOr<int64_t> parsed = ParseDuration(call[0].text());
  if (!parsed.ok()) return state.Fail(parsed.status().message());
  *out = Value::Duration(*parsed);
  return true;
}

bool ToBytes(const Call& call, EvalState& state, Value* out) {
  if (!call.Is(0, Kind::kString)) return NoOverload(call, state);
  *out = Value::Bytes(call[0].text());
  return true;
}

// The kind that a conversion makes: a value that is of it already stays as it is.
Kind TargetOf(Fn fn) {
  switch (fn) {
    case Fn::kBool:
      return Kind::kBool;
    case Fn::kBytes:
      return Kind::kBytes;
    case Fn::kDouble:
      return Kind::kDouble;
    case Fn::kDuration:
      return Kind::kDuration;
    case Fn::kInt:
      return Kind::kInt;
    case Fn::kString:
      return Kind::kString;
    case Fn::kTimestamp:
      return Kind::kTimestamp;
    default:
      return Kind::kUint;
  }
}

}  // namespace

bool Convert(const Call& call, EvalState& state, Value* out) {
  if (call.fn == Fn::kType) {
    *out = Value::Type(call[0].kind());
    return true;
  }
  if (call.fn == Fn::kDyn || call[0].Is(TargetOf(call.fn))) {
    *out = call[0];
    return true;
  }
  if (!state.ChargeSize(call[0].text().size())) return false;  // parsed, or copied
  switch (call.fn) {
    case Fn::kBool:
      return ToBool(call, state, out);
    case Fn::kBytes:
      return ToBytes(call, state, out);
    case Fn::kDouble:
      return ToDouble(call, state, out);
    case Fn::kDuration:
      return ToDuration(call, state, out);
    case Fn::kInt:
      return ToInt(call, state, out);
    case Fn::kString:
      return ToString(call, state, out);
    case Fn::kTimestamp:
      return ToTimestamp(call, state, out);
    default:
      return ToUint(call, state, out);
  }
}

}  // namespace twi::cel
