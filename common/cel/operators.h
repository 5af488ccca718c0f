#ifndef TWI_COMMON_CEL_OPERATORS_H_
#define TWI_COMMON_CEL_OPERATORS_H_

#include <algorithm>
#include <iterator>

#include "absl/strings/string_view.h"

namespace twi::cel {

// Words that may be selectors and method names, but not variables or functions.
inline constexpr absl::string_view kReserved[] = {"as",        "break",  "const",  "continue", "else", "for",
                                                  "function",  "if",     "import", "let",      "loop", "package",
                                                  "namespace", "return", "var",    "void",     "while"};

inline bool IsReserved(absl::string_view word) {
  return std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved);
}

// The function that a binary operator calls, by level of precedence.
struct BinaryOperator {
  absl::string_view symbol;
  const char* name;
};
inline constexpr BinaryOperator kRelations[] = {{"==", "_==_"}, {"!=", "_!=_"}, {"<", "_<_"}, {"<=", "_<=_"},
                                                {">", "_>_"},   {">=", "_>=_"}, {"in", "@in"}};
inline constexpr BinaryOperator kSums[] = {{"+", "_+_"}, {"-", "_-_"}};
inline constexpr BinaryOperator kProducts[] = {{"*", "_*_"}, {"/", "_/_"}, {"%", "_%_"}};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_OPERATORS_H_
