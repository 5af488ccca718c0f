#ifndef TWI_COMMON_CEL_DECLARATIONS_H_
#define TWI_COMMON_CEL_DECLARATIONS_H_

#include <map>
#include <string>

#include "common/cel/ast.h"
#include "common/cel/type.h"

namespace twi::cel {

// What an expression may refer to and must result in. Everything else is refused by Compile.
struct Declarations {
  std::map<std::string, Type> variables;  // a name may be dotted ("request.auth"): the longest match wins
  Type result;                            // Dyn: any. Bool for a policy condition.
  std::string container;                  // namespace that unqualified names are looked up in first; usually empty
  ParseLimits limits;
  // For the conformance suite's "disable_check" cases alone: unknown names and types become errors of Evaluate.
  bool insecure_skip_type_check = false;
};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_DECLARATIONS_H_
