// What the checks of a config are written with, after its form (load_yaml.h): each error stands at its field's place.
#ifndef TWI_COMMON_CONFIG_CHECKS_H_
#define TWI_COMMON_CONFIG_CHECKS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_field.h"

namespace twi::config {

// OK when `holds`, else ConfigError: "file:line:column: FIELD: expected EXPECTED".
absl::Status Expect(bool holds, absl::string_view field, absl::string_view expected);

absl::Duration ToDuration(const google::protobuf::Duration& duration);
// `otherwise` where the field is not set.
absl::Duration DurationOr(bool set, const google::protobuf::Duration& duration, absl::Duration otherwise);

// From `least` to `most`, both allowed.
absl::Status ExpectWithin(absl::Duration value, absl::Duration least, absl::Duration most, absl::string_view field);

// An absolute URI (RFC 3986: a scheme, a colon, something behind it; visible ASCII) of at most 2048 bytes.
absl::Status ExpectUri(absl::string_view value, absl::string_view field);

// Each a SPIFFE ID of a workload or service, none twice.
absl::Status ExpectSpiffeIds(const google::protobuf::RepeatedPtrField<std::string>& ids, absl::string_view field);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_CHECKS_H_
