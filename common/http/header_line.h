// A line of a response's head, as libcurl hands it on: "Name: value" and a line end.
#ifndef TWI_COMMON_HTTP_HEADER_LINE_H_
#define TWI_COMMON_HTTP_HEADER_LINE_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace twi::http {

struct HeaderLine {
  absl::string_view name;   // as sent, up to the colon
  absl::string_view value;  // without the white space around it
};

// Nothing where there is no colon (a status line, the empty line at the end). What is returned points into `line`.
std::optional<HeaderLine> SplitHeaderLine(absl::string_view line);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_HEADER_LINE_H_
