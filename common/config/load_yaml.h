// YAML into a proto message, driven by the message's descriptor (style H13). The only room with yaml-cpp.
#ifndef TWI_COMMON_CONFIG_LOAD_YAML_H_
#define TWI_COMMON_CONFIG_LOAD_YAML_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace twi::config {

// Fills `message` from YAML `text`; `name` is what errors call it ("verifier.yaml:12:3: ..."). Checks: at most 1 MiB,
// one document, no anchors or aliases, no duplicate and no unknown keys, right types (strings from scalars, numbers in
// range, bool true/false only, enums by full or short name, Duration "250ms", "90s", "5m", "24h", Timestamp
// "2026-11-21T00:00:00Z", bytes as hex), lists where the proto has them (no proto maps), oneof set at most once, depth
// at most 32. CONFIG_INVALID with file:line:column and what was expected.
absl::Status ParseYaml(absl::string_view text, absl::string_view name, google::protobuf::Message& message);

// The file's form of it: refuses a file that group or others may write to.
absl::Status LoadYamlFile(const std::string& path, google::protobuf::Message& message);

// The same for a program's own config: from now on it is the document that ConfigError and AtField mean by an empty
// name on this thread, whatever other documents (policies, reference values) are parsed after it.
absl::Status LoadConfigFile(const std::string& path, google::protobuf::Message& message);

// "name:line:column: path: expected ..." for semantic checks after parsing. An empty `name` means the document of
// LoadConfigFile, or where there is none the one that was most recently parsed on this thread. Where the field was not
// written: the place of the nearest one around it, or of the document's start. Fields as "server.allow[0].rpc".
absl::Status ConfigError(absl::string_view name, absl::string_view field_path, absl::string_view expected);

// What is wrong with something that a field names (a file, an address), at that field's place in the document that an
// empty name means: "name:line:column: path: WHAT". The Status keeps its reason, OK stays OK; a text is CONFIG_INVALID.
absl::Status AtField(absl::string_view field_path, const absl::Status& status);
absl::Status AtField(absl::string_view field_path, absl::string_view what);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_LOAD_YAML_H_
