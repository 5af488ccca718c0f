#ifndef TWI_COMMON_CEL_FUNCTIONS_H_
#define TWI_COMMON_CEL_FUNCTIONS_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "common/cel/type.h"

namespace twi::cel {

// Every function and operator by name; which overload runs is decided by the values.
enum class Fn : uint8_t {
  kNone,
  // operators
  kNegate,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  // conversions
  kBool,
  kBytes,
  kDouble,
  kDuration,
  kDyn,
  kInt,
  kString,
  kTimestamp,
  kType,
  kUint,
  // strings and collections
  kSize,
  kContains,
  kEndsWith,
  kMatches,
  kStartsWith,
  // the strings extension
  kCharAt,
  kIndexOf,
  kJoin,
  kLastIndexOf,
  kLowerAscii,
  kReplace,
  kReverse,
  kSplit,
  kSubstring,
  kTrim,
  kUpperAscii,
  // timestamps and durations
  kGetDate,
  kGetDayOfMonth,
  kGetDayOfWeek,
  kGetDayOfYear,
  kGetFullYear,
  kGetHours,
  kGetMilliseconds,
  kGetMinutes,
  kGetMonth,
  kGetSeconds
};

inline constexpr size_t kMaxArguments = 4;  // the receiver counts

struct Resolution {
  enum class Outcome { kFound, kUnknownFunction, kWrongArity, kNoOverload };
  Outcome outcome = Outcome::kUnknownFunction;
  Fn fn = Fn::kNone;
  Type result;  // Dyn when several overloads could apply
};

// Finds the overloads of `name` called on (as a member) or with these argument types.
Resolution Resolve(absl::string_view name, bool member, const std::vector<Type>& args);

// Does the function take a time zone as its second argument?
inline bool TakesZone(Fn fn) { return fn >= Fn::kGetDate && fn <= Fn::kGetSeconds; }

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_FUNCTIONS_H_
