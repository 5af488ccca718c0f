#ifndef TWI_COMMON_CEL_AST_H_
#define TWI_COMMON_CEL_AST_H_

#include <string>
#include <utility>
#include <vector>

#include "common/cel/value.h"

namespace twi::cel {

// What the parser makes of a source text. Macros are still calls here: the checker expands them.
struct Expr {
  enum class Kind {
    kLiteral,  // value
    kIdent,    // name; leading_dot for ".name"
    kSelect,   // children[0] . name
    kCall,     // name(children), or children[0].name(children[1..]) when member; operators by names such as "_+_"
    kAnd,      // all children, two or more
    kOr,       // all children, two or more
    kList,     // children
    kMap,      // key, value, key, value ...
    kMessage   // name{...}: parsed, never compiled
  };
  Kind kind = Kind::kLiteral;
  bool member = false;
  bool leading_dot = false;
  int height = 1;
  size_t begin = 0, end = 0;  // bytes of the source
  Value value;
  std::string name;
  std::vector<Expr> children;
};

struct ParseLimits {
  size_t max_source_bytes = 16 * 1024;
  int max_depth = 64;  // of nested parentheses, brackets, calls and operators: more than the CEL suite's 32
  int max_nodes = 4096;
};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_AST_H_
