#include "common/config/checks.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"

namespace twi::config {
namespace {

constexpr std::size_t kMaxUri = 2048;

// In form only (RFC 3986 section 3), as common/binding has it: what passes here must not be refused there at each call.
bool IsAbsoluteUri(absl::string_view value) {
  const std::size_t colon = value.find(':');
  if (colon == absl::string_view::npos || colon + 1 == value.size()) return false;
  const absl::string_view scheme = value.substr(0, colon);
  return !scheme.empty() && absl::ascii_isalpha(scheme[0]) &&
         std::all_of(scheme.begin(), scheme.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.'; }) &&
         std::all_of(value.begin(), value.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
}

}  // namespace

absl::Status Expect(bool holds, absl::string_view field, absl::string_view expected) {
  return holds ? absl::OkStatus() : ConfigError("", field, expected);
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Duration DurationOr(bool set, const google::protobuf::Duration& duration, absl::Duration otherwise) {
  return set ? ToDuration(duration) : otherwise;
}

absl::Status ExpectWithin(absl::Duration value, absl::Duration least, absl::Duration most, absl::string_view field) {
  return Expect(value >= least && value <= most, field,
                absl::StrCat(absl::FormatDuration(least), "..", absl::FormatDuration(most), ", got ",
                             absl::FormatDuration(value)));
}

absl::Status ExpectUri(absl::string_view value, absl::string_view field) {
  return Expect(value.size() <= kMaxUri && IsAbsoluteUri(value), field,
                absl::StrCat("an absolute URI of at most ", kMaxUri, " bytes, got ", value.size(), ": \"",
                             value.substr(0, 80), "\""));
}

}  // namespace twi::config
