#include <cmath>
#include <limits>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/cel/call.h"
#include "common/cel/compare.h"

namespace twi::cel {
namespace {

using Kind = Value::Kind;

template <typename T>
bool Integers(Fn fn, T a, T b, EvalState& state, T* out) {
  bool overflow = false;
  switch (fn) {
    case Fn::kAdd:
      overflow = __builtin_add_overflow(a, b, out);
      break;
    case Fn::kSubtract:
      overflow = __builtin_sub_overflow(a, b, out);
      break;
    case Fn::kMultiply:
      overflow = __builtin_mul_overflow(a, b, out);
      break;
    case Fn::kDivide:
    case Fn::kModulo:
      if (b == 0) return state.Fail(fn == Fn::kDivide ? "division by zero" : "modulus by zero");
      // The one quotient that does not fit; its remainder would be trapped by the processor.
      overflow = std::numeric_limits<T>::is_signed && b == static_cast<T>(-1) && a == std::numeric_limits<T>::min();
      if (!overflow) *out = fn == Fn::kDivide ? a / b : a % b;
      break;
    default:
      return state.Fail("no such overload");
  }
  return overflow ? state.Fail("integer overflow") : true;
}

bool Doubles(const Call& call, EvalState& state, Value* out) {
  const double a = call[0].double_value(), b = call[1].double_value();
  switch (call.fn) {
    case Fn::kAdd:
      *out = Value::Double(a + b);
      return true;
    case Fn::kSubtract:
      *out = Value::Double(a - b);
      return true;
    case Fn::kMultiply:
      *out = Value::Double(a * b);
      return true;
    case Fn::kDivide:  // IEEE 754: x / 0.0 is an infinity or NaN
      *out = Value::Double(a / b);
      return true;
    default:
      return NoOverload(call, state);
  }
}

// timestamp plus (sign 1) or minus (sign -1) a duration.
bool Shift(const Value& time, int64_t nanos, int sign, EvalState& state, Value* out) {
  const __int128 total =
      static_cast<__int128>(time.seconds()) * 1000000000 + time.nanos() + static_cast<__int128>(nanos) * sign;
  __int128 seconds = total / 1000000000, rest = total % 1000000000;
  if (rest < 0) rest += 1000000000, --seconds;
  absl::StatusOr<Value> made = Value::MakeTimestamp(static_cast<int64_t>(seconds), static_cast<int32_t>(rest));
  if (!made.ok()) return state.Fail(made.status().message());
  *out = *std::move(made);
  return true;
}

bool Difference(const Value& a, const Value& b, EvalState& state, Value* out) {
  const __int128 nanos = static_cast<__int128>(a.seconds() - b.seconds()) * 1000000000 + (a.nanos() - b.nanos());
  if (nanos > std::numeric_limits<int64_t>::max() || nanos < std::numeric_limits<int64_t>::min()) {
    return state.Fail("duration out of range");
  }
  *out = Value::Duration(static_cast<int64_t>(nanos));
  return true;
}

bool Times(const Call& call, EvalState& state, Value* out) {
  const bool add = call.fn == Fn::kAdd, subtract = call.fn == Fn::kSubtract;
  const bool t0 = call.Is(0, Kind::kTimestamp), t1 = call.Is(1, Kind::kTimestamp);
  const bool d0 = call.Is(0, Kind::kDuration), d1 = call.Is(1, Kind::kDuration);
  if (t0 && d1 && (add || subtract)) return Shift(call[0], call[1].duration_nanos(), add ? 1 : -1, state, out);
  if (d0 && t1 && add) return Shift(call[1], call[0].duration_nanos(), 1, state, out);
  if (t0 && t1 && subtract) return Difference(call[0], call[1], state, out);
  if (!d0 || !d1 || (!add && !subtract)) return NoOverload(call, state);
  int64_t sum;
  if (!Integers(call.fn, call[0].duration_nanos(), call[1].duration_nanos(), state, &sum)) {
    return state.Fail("duration out of range");
  }
  *out = Value::Duration(sum);
  return true;
}

bool Concatenate(const Call& call, EvalState& state, Value* out) {
  const Kind kind = call[0].kind();
  if (kind == Kind::kList) {
    const std::vector<Value>&a = call[0].list(), &b = call[1].list();
    if (!state.Charge(static_cast<int64_t>(a.size() + b.size()))) return false;
    std::vector<Value> items;
    items.reserve(a.size() + b.size());
    items.insert(items.end(), a.begin(), a.end());
    items.insert(items.end(), b.begin(), b.end());
    *out = Value::List(std::move(items));
    return true;
  }
  if (!state.ChargeSize(call[0].text().size() + call[1].text().size())) return false;
  const std::string text = absl::StrCat(call[0].text(), call[1].text());
  *out = kind == Kind::kString ? Value::String(text) : Value::Bytes(text);
  return true;
}

bool Negate(const Call& call, EvalState& state, Value* out) {
  if (call.Is(0, Kind::kDouble)) {
    *out = Value::Double(-call[0].double_value());
    return true;
  }
  if (!call.Is(0, Kind::kInt)) return NoOverload(call, state);
  int64_t result;
  if (!Integers(Fn::kSubtract, int64_t{0}, call[0].int_value(), state, &result)) return false;
  *out = Value::Int(result);
  return true;
}

bool Ordering(const Call& call, EvalState& state, Value* out) {
  if (!state.ChargeSize(call[0].text().size())) return false;
  const Order order = Compare(call[0], call[1]);
  if (order == Order::kNoOverload) return NoOverload(call, state);
  bool result = false;
  if (call.fn == Fn::kLess) result = order == Order::kLess;
  if (call.fn == Fn::kLessEqual) result = order == Order::kLess || order == Order::kEqual;
  if (call.fn == Fn::kGreater) result = order == Order::kGreater;
  if (call.fn == Fn::kGreaterEqual) result = order == Order::kGreater || order == Order::kEqual;
  *out = Value::Bool(result);
  return true;
}

}  // namespace

bool NoOverload(const Call& call, EvalState& state) {
  std::string kinds;
  for (size_t i = 0; i < call.count; ++i) {
    absl::StrAppend(&kinds, i == 0 ? "" : ", ", KindName(call[i].kind()));
  }
  return state.Fail(absl::StrCat("no such overload for (", kinds, ")"));
}

bool Arithmetic(const Call& call, EvalState& state, Value* out) {
  if (call.fn == Fn::kNegate) return Negate(call, state, out);
  if (call.fn >= Fn::kLess) return Ordering(call, state, out);
  const Kind a = call[0].kind(), b = call[1].kind();
  const bool time = a == Kind::kTimestamp || a == Kind::kDuration;
  if (time && (b == Kind::kTimestamp || b == Kind::kDuration)) return Times(call, state, out);
  if (a != b) return NoOverload(call, state);
  if (a == Kind::kDouble) return Doubles(call, state, out);
  if (a == Kind::kInt) {
    int64_t result;
    if (!Integers(call.fn, call[0].int_value(), call[1].int_value(), state, &result)) return false;
    *out = Value::Int(result);
    return true;
  }
  if (a == Kind::kUint) {
    uint64_t result;
    if (!Integers(call.fn, call[0].uint_value(), call[1].uint_value(), state, &result)) return false;
    *out = Value::Uint(result);
    return true;
  }
  const bool text = a == Kind::kString || a == Kind::kBytes || a == Kind::kList;
  return text && call.fn == Fn::kAdd ? Concatenate(call, state, out) : NoOverload(call, state);
}

}  // namespace twi::cel
