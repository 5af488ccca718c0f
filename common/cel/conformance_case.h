#ifndef TWI_COMMON_CEL_CONFORMANCE_CASE_H_
#define TWI_COMMON_CEL_CONFORMANCE_CASE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "common/cel/textproto.h"

namespace twi::cel {

// Why a SimpleTest is out of scope: empty when it is in scope. Decided only by the rules of conformance_case.cc, which
// look at the case's file, section and declarations, never at how it turns out.
std::string OutOfScope(absl::string_view file, absl::string_view section, const TextField& test);

// Runs one SimpleTest (cel.expr.conformance.test.SimpleTest). Empty when it passed, else what went wrong.
std::string RunCase(const TextField& test);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_CONFORMANCE_CASE_H_
