#ifndef TWI_COMMON_CEL_REGEX_H_
#define TWI_COMMON_CEL_REGEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "re2/re2.h"

namespace twi::cel {

// RE2 matches in time linear in the text times the size of the program that it runs, which these bound.
inline constexpr size_t kMaxPatternBytes = 1024;
inline constexpr int kMaxRegexProgram = 4096;          // RE2 instructions
inline constexpr int64_t kMaxRegexMemory = 512 << 10;  // bytes of the program and of the states it caches
inline constexpr size_t kMaxRegexes = 64;              // literal ones of one expression: they are kept with it

// Refuses a pattern that is malformed, too long, or compiles to too large a program.
absl::StatusOr<std::unique_ptr<RE2>> CompileRegex(absl::string_view pattern);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_REGEX_H_
