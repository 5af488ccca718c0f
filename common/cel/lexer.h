#ifndef TWI_COMMON_CEL_LEXER_H_
#define TWI_COMMON_CEL_LEXER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/value.h"

namespace twi::cel {

struct Token {
  enum class Kind {
    kEnd,
    kIdent,    // text; also the reserved words, which the parser refuses as variables
    kQuoted,   // text: an identifier in backticks
    kLiteral,  // value: string, bytes, bool, null, uint, double
    kInt,      // value is the magnitude as uint: the sign may be a unary minus before it
    kSymbol    // text: an operator or punctuation, "in" too
  };
  Kind kind = Kind::kEnd;
  size_t begin = 0, end = 0;  // bytes of the source
  std::string text;
  Value value;
};

// Cuts a source into tokens, the last one kEnd. Refuses: text that is not UTF-8, unknown characters, unfinished or
// badly escaped strings, numbers out of range. Errors carry "line:column".
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source);

// InvalidArgument "2:14: message": line and column count from 1, columns in code points.
absl::Status ErrorAt(absl::string_view source, size_t offset, absl::string_view message);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_LEXER_H_
