#include "services/twictl/printable.h"

#include <cstddef>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/config/scalars.h"

namespace twi::twictl {
namespace {

bool Within(absl::string_view bytes, absl::string_view first, absl::string_view last) {
  const absl::string_view front = bytes.substr(0, first.size());
  return front.size() == first.size() && first <= front && front <= last;
}

// How many bytes at the front of UTF-8 are one character that is not shown; 0: it is.
std::size_t NotShown(absl::string_view bytes) {
  const auto byte = static_cast<unsigned char>(bytes.front());
  if (byte < 0x20 || byte == 0x7f) return 1;
  if (Within(bytes, "\xc2\x80", "\xc2\x9f")) return 2;                             // C1
  const bool separator_or_bidi = Within(bytes, "\xe2\x80\x8e", "\xe2\x80\x8f") ||  // U+200E, U+200F
                                 Within(bytes, "\xe2\x80\xa8", "\xe2\x80\xae") ||  // U+2028 to U+202E
                                 Within(bytes, "\xe2\x81\xa6", "\xe2\x81\xa9");    // U+2066 to U+2069
  return separator_or_bidi ? 3 : 0;
}

}  // namespace

std::string Printable(absl::string_view text) {
  const bool utf8 = config::IsUtf8WithoutNul(text);
  std::string out;
  while (!text.empty()) {
    const bool foreign = !utf8 && static_cast<unsigned char>(text.front()) >= 0x80;
    const std::size_t hidden = foreign ? 1 : NotShown(text);
    for (std::size_t i = 0; i < hidden; ++i)
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[i]));
    if (hidden == 0) out.push_back(text.front());
    text.remove_prefix(hidden == 0 ? 1 : hidden);
  }
  return out;
}

std::string PrintableLines(absl::string_view text) {
  return absl::StrJoin(absl::StrSplit(text, '\n'), "\n",
                       [](std::string* out, absl::string_view line) { out->append(Printable(line)); });
}

}  // namespace twi::twictl
