#include "common/config/checks.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"
#include "common/encoding/uri.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/status_macros.h"

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
  return Expect(value.size() <= kMaxUri && IsAbsoluteUri(value), field,
                absl::StrCat("an absolute URI of at most ", kMaxUri, " bytes, got ", value.size(), ": \"",
                             value.substr(0, 80), "\""));
}

absl::Status ExpectSpiffeIds(const google::protobuf::RepeatedPtrField<std::string>& ids, absl::string_view field) {
  std::set<std::string> seen;
  for (int i = 0; i < ids.size(); ++i) {
    TWI_RETURN_IF_ERROR(Expect(ValidateWorkloadIdentifier(ids[i]).ok() && seen.insert(ids[i]).second,
                               absl::StrCat(field, "[", i, "]"),
                               absl::StrCat("SPIFFE IDs, each once, got \"", ids[i], "\"")));
  }
  return absl::OkStatus();
}

}  // namespace twi::config
