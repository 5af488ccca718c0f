#ifndef TWI_COMMON_CEL_COMPARE_H_
#define TWI_COMMON_CEL_COMPARE_H_

#include <cstdint>

#include "common/cel/value.h"

namespace twi::cel {

// CEL equality (langdef "Equality"): numbers of different types are compared as numbers, values of other different
// types are unequal, NaN equals nothing. Takes from *budget, before it looks, one unit for each pair of values and of
// 16-byte blocks, and stops as soon as *budget is negative: the answer is then false and means nothing. Without that a
// small value may take forever, since elements are shared: [x, x] of [y, y] of ... is a tree of 2^n leaves.
bool Equals(const Value& a, const Value& b, int64_t* budget);

// Without a bound: for values that were not made by an expression.
bool Equals(const Value& a, const Value& b);

// CEL ordering. kNoOverload: these kinds have no order. kUnordered: a NaN is involved (every comparison is false).
enum class Order { kLess, kEqual, kGreater, kUnordered, kNoOverload };
Order Compare(const Value& a, const Value& b);

// The order of a map's keys: bools, then numbers as numbers, then strings. Only for those kinds.
bool MapKeyLess(const Value& a, const Value& b);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_COMPARE_H_
