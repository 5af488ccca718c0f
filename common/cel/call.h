#ifndef TWI_COMMON_CEL_CALL_H_
#define TWI_COMMON_CEL_CALL_H_

#include "absl/time/time.h"
#include "common/cel/eval_state.h"
#include "common/cel/functions.h"
#include "common/cel/value.h"
#include "re2/re2.h"

namespace twi::cel {

// One function call with its evaluated arguments (the receiver first).
struct Call {
  Fn fn = Fn::kNone;
  const Value* const* args = nullptr;
  size_t count = 0;
  const RE2* regex = nullptr;            // of a literal pattern
  const absl::TimeZone* zone = nullptr;  // of a literal zone

  const Value& operator[](size_t i) const { return *args[i]; }
  bool Is(size_t i, Value::Kind kind) const { return i < count && args[i]->Is(kind); }
};

// Each puts the result into *out, or sets the error of `state` and returns false. Values of kinds that no overload
// takes are the error "no such overload"; the checker cannot exclude them for dyn.
bool Arithmetic(const Call& call, EvalState& state, Value* out);        // kNegate to kGreaterEqual
bool Convert(const Call& call, EvalState& state, Value* out);           // kBool to kUint
bool StringFunction(const Call& call, EvalState& state, Value* out);    // kSize to kStartsWith
bool StringsExtension(const Call& call, EvalState& state, Value* out);  // kCharAt to kUpperAscii
bool TimeFunction(const Call& call, EvalState& state, Value* out);      // kGetDate to kGetSeconds

// Charges a search of the second text in the first: find() is quadratic at worst, so it is the product of both lengths.
bool ChargeSearch(const Call& call, EvalState& state);

bool NoOverload(const Call& call, EvalState& state);  // false, with the error naming the kinds

inline bool Dispatch(const Call& call, EvalState& state, Value* out) {
  if (call.fn <= Fn::kGreaterEqual) return Arithmetic(call, state, out);
  if (call.fn <= Fn::kUint) return Convert(call, state, out);
  if (call.fn <= Fn::kStartsWith) return StringFunction(call, state, out);
  return call.fn <= Fn::kUpperAscii ? StringsExtension(call, state, out) : TimeFunction(call, state, out);
}

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_CALL_H_
