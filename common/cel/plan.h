#ifndef TWI_COMMON_CEL_PLAN_H_
#define TWI_COMMON_CEL_PLAN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/cel/functions.h"
#include "common/cel/type.h"
#include "common/cel/value.h"
#include "re2/re2.h"

namespace twi::cel {

enum class Op : uint8_t {
  kLiteral,    // value
  kVariable,   // slot: index into Plan::variables
  kLocal,      // slot: of a macro's variable
  kRaise,      // value: message of the error that evaluating it is (only without type check)
  kSelect,     // kid 0 . value
  kHas,        // has(kid 0 . value)
  kIndex,      // kid 0 [ kid 1 ]
  kIn,         // kid 0 in kid 1
  kNot,        // ! kid 0
  kAnd,        // all kids
  kOr,         // all kids
  kCondition,  // kid 0 ? kid 1 : kid 2
  kEqual,
  kNotEqual,
  kCall,  // fn(kids); slot: index into regexes or zones, or -1
  kList,
  kMap,  // key, value, key, value ...
  kAll,  // kid 0 the range, kid 1 the condition, slot the variable; so for the next four
  kExists,
  kExistsOne,
  kFilter,
  kMapTo  // kid 1 the transform, or kid 1 the filter and kid 2 the transform
};

struct Node {
  Op op = Op::kLiteral;
  Fn fn = Fn::kNone;
  uint32_t kid_count = 0;
  uint32_t kids = 0;  // first index into Plan::kids
  int32_t slot = -1;
  uint32_t begin = 0, end = 0;  // bytes of the source
  Value value;
};

// A compiled expression: a flat tree with names resolved to slots. Immutable once built.
struct Plan {
  std::string source;
  std::vector<Node> nodes;
  std::vector<uint32_t> kids;
  uint32_t root = 0;
  std::vector<std::string> variables;  // the declared ones that the expression uses
  int locals = 0;                      // deepest nesting of macros
  std::vector<std::unique_ptr<RE2>> regexes;
  std::vector<absl::TimeZone> zones;
  Type deduced;  // by the checker
  Type result;   // as declared

  const Node& kid(const Node& node, size_t i) const { return nodes[kids[node.kids + i]]; }
};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_PLAN_H_
