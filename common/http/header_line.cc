#include "common/http/header_line.h"

#include "absl/strings/ascii.h"

namespace twi::http {

std::optional<HeaderLine> SplitHeaderLine(absl::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  return HeaderLine{line.substr(0, colon), absl::StripAsciiWhitespace(line.substr(colon + 1))};
}

}  // namespace twi::http
