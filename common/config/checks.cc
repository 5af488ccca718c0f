#include "common/config/checks.h"

#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"

namespace twi::config {

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
  const bool good = value.size() <= 2048 && value.find(':') != absl::string_view::npos &&
                    value.find_first_of(" \t\r\n") == absl::string_view::npos;
  return Expect(good, field, absl::StrCat("an absolute URI, got \"", value.substr(0, 80), "\""));
}

}  // namespace twi::config
