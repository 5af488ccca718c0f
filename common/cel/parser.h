#ifndef TWI_COMMON_CEL_PARSER_H_
#define TWI_COMMON_CEL_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/ast.h"

namespace twi::cel {

// Parses one expression by the grammar of the CEL language definition. Refuses, before any unbounded work: a source
// longer than max_source_bytes, nesting beyond max_depth, more than max_nodes nodes. Errors carry "line:column".
absl::StatusOr<Expr> Parse(absl::string_view source, const ParseLimits& limits = ParseLimits());

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_PARSER_H_
