// One scalar of the YAML tree into one field of a message, by reflection.
#ifndef TWI_COMMON_CONFIG_FILL_SCALAR_H_
#define TWI_COMMON_CONFIG_FILL_SCALAR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/config/yaml_tree.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace twi::config {

// CONFIG_INVALID "name:line:column: path: expected WHAT, got ...".
absl::Status ExpectedAt(absl::string_view name, const YamlNode& node, absl::string_view path, absl::string_view what);

// Sets `field` (adds to it when `add`) from `node`: strings, bytes (hex), bool, enums, numbers; the whole text, in
// range. CONFIG_INVALID.
absl::Status FillScalar(absl::string_view name, const YamlNode& node, const std::string& path,
                        const google::protobuf::FieldDescriptor& field, google::protobuf::Message& message, bool add);

// google.protobuf.Duration from "90s", Timestamp from "2026-11-21T00:00:00Z".
absl::Status FillDuration(absl::string_view name, const YamlNode& node, const std::string& path,
                          google::protobuf::Message& message);
absl::Status FillTimestamp(absl::string_view name, const YamlNode& node, const std::string& path,
                           google::protobuf::Message& message);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_FILL_SCALAR_H_
