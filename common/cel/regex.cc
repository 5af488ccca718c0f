#include "common/cel/regex.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace twi::cel {

absl::StatusOr<std::unique_ptr<RE2>> CompileRegex(absl::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) return absl::InvalidArgumentError("regular expression is too long");
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxRegexMemory);
  auto regex = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) return absl::InvalidArgumentError(absl::StrCat("bad regular expression: ", regex->error()));
  if (regex->ProgramSize() > kMaxRegexProgram) return absl::InvalidArgumentError("regular expression is too large");
  return regex;
}

}  // namespace twi::cel
