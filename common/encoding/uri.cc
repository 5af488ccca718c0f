#include "common/encoding/uri.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace twi {

bool IsAbsoluteUri(absl::string_view value) {
  const std::size_t colon = value.find(':');
  if (colon == absl::string_view::npos || colon + 1 == value.size()) return false;
  const absl::string_view scheme = value.substr(0, colon);
  return !scheme.empty() && absl::ascii_isalpha(static_cast<unsigned char>(scheme[0])) &&
         std::all_of(scheme.begin(), scheme.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.'; }) &&
         std::all_of(value.begin(), value.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
}

}  // namespace twi
