#include "common/config/load_yaml.h"

#include <sys/stat.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "common/config/fill_scalar.h"
#include "common/config/read_file.h"
#include "common/config/scalars.h"
#include "common/config/yaml_tree.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/descriptor.h"

namespace twi::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Where each field stood in the text most recently parsed on this thread, for ConfigError.
struct Positions {
  std::string name;
  std::map<std::string, Position> fields;
};
thread_local Positions g_positions;
// The same of the document of LoadConfigFile.
thread_local Positions g_config;

const Positions& PositionsOf(absl::string_view name) {
  return !g_config.name.empty() && (name.empty() || name == g_config.name) ? g_config : g_positions;
}

// The field itself, or the nearest one around it that was written; the document's start when none was.
Position Find(const Positions& positions, absl::string_view field_path) {
  for (std::string path(field_path); !path.empty();) {
    const auto found = positions.fields.find(path);
    if (found != positions.fields.end()) return found->second;
    const std::size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return Position{};
}

class Filler {
 public:
  explicit Filler(absl::string_view name) : name_(name) {}

  absl::Status FillMessage(const YamlNode& node, const std::string& path, Message& message) {
    const Descriptor& type = *message.GetDescriptor();
    if (type.full_name() == "google.protobuf.Duration") return FillDuration(name_, node, path, message);
    if (type.full_name() == "google.protobuf.Timestamp") return FillTimestamp(name_, node, path, message);
    if (node.kind != YamlNode::Kind::kMap)
      return Expected(node, path, absl::StrCat("a mapping with the fields of ", type.name(), " ({} for none)"));
    for (const auto& [key, value] : node.entries) {
      const FieldDescriptor* field = type.FindFieldByName(key.scalar);
      if (field == nullptr) return UnknownKey(key, path, type);
      TWI_RETURN_IF_ERROR(
          FillField(key, value, path.empty() ? key.scalar : absl::StrCat(path, ".", key.scalar), *field, message));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Expected(const YamlNode& node, absl::string_view path, absl::string_view what) const {
    return ExpectedAt(name_, node, path, what);
  }
  absl::Status FillScalar(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message,
                          bool add) const {
    return config::FillScalar(name_, node, path, field, message, add);
  }

  absl::Status UnknownKey(const YamlNode& key, const std::string& path, const Descriptor& type) const {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    const std::string nearest = Nearest(key.scalar, names);
    return ErrorAt(name_, key.at,
                   absl::StrCat("unknown key ", Quoted(key.scalar), path.empty() ? "" : " in ", path,
                                nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
  }

  absl::Status FillField(const YamlNode& key, const YamlNode& value, const std::string& path,
                         const FieldDescriptor& field, Message& message) {
    g_positions.fields[path] = value.at;
    const Reflection& reflection = *message.GetReflection();
    if (const auto* oneof = field.real_containing_oneof(); oneof != nullptr && reflection.HasOneof(message, oneof)) {
      return ErrorAt(name_, key.at,
                     absl::StrCat(path, ": only one of these may be set, and \"",
                                  reflection.GetOneofFieldDescriptor(message, oneof)->name(), "\" is already"));
    }
    if (field.is_map())  // no config has one, and Debian's protobuf has another layout for them under tsan
      return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat(path, ": a proto map in a config"));
    if (field.is_repeated()) return FillList(value, path, field, message);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      return FillMessage(value, path, *reflection.MutableMessage(&message, &field));
    return FillScalar(value, path, field, message, /*add=*/false);
  }

  absl::Status FillList(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    if (node.kind != YamlNode::Kind::kList) return Expected(node, path, "a list");
    int i = 0;
    for (const YamlNode& item : node.items) {
      const std::string at = absl::StrCat(path, "[", i++, "]");
      g_positions.fields[at] = item.at;
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        TWI_RETURN_IF_ERROR(FillMessage(item, at, *message.GetReflection()->AddMessage(&message, &field)));
      } else {
        TWI_RETURN_IF_ERROR(FillScalar(item, at, field, message, /*add=*/true));
      }
    }
    return absl::OkStatus();
  }

  std::string name_;
};

}  // namespace

absl::Status ParseYaml(absl::string_view text, absl::string_view name, google::protobuf::Message& message) {
  g_positions = Positions{std::string(name), {}};
  message.Clear();
  TWI_ASSIGN_OR_RETURN(const YamlNode root, ParseYamlTree(text, name));
  absl::Status filled = Filler(name).FillMessage(root, "", message);
  if (!filled.ok()) message.Clear();  // nobody gets to use half of a config
  return filled;
}

absl::Status LoadYamlFile(const std::string& path, google::protobuf::Message& message) {
  TWI_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {kMaxYamlBytes, S_IWGRP | S_IWOTH}));
  return ParseYaml(text, path, message);
}

absl::Status LoadConfigFile(const std::string& path, google::protobuf::Message& message) {
  g_config = Positions();
  TWI_RETURN_IF_ERROR(LoadYamlFile(path, message));
  g_config = g_positions;
  return absl::OkStatus();
}

absl::Status ConfigError(absl::string_view name, absl::string_view field_path, absl::string_view expected) {
  const std::string what = absl::StrCat(field_path, ": expected ", expected);
  const Positions& positions = PositionsOf(name);
  if (!name.empty() && positions.name != name)
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(name, ": ", what));
  if (positions.name.empty()) return Deny(v1::DENY_REASON_CONFIG_INVALID, what);
  return ErrorAt(positions.name, Find(positions, field_path), what);
}

absl::Status AtField(absl::string_view field_path, const absl::Status& status) {
  if (status.ok()) return status;
  const Positions& positions = PositionsOf("");
  const Position at = Find(positions, field_path);
  const absl::Status placed = WithContext(status, field_path);
  return positions.name.empty() ? placed
                                : WithContext(placed, absl::StrCat(positions.name, ":", at.line, ":", at.column));
}

absl::Status AtField(absl::string_view field_path, absl::string_view what) {
  return AtField(field_path, Deny(v1::DENY_REASON_CONFIG_INVALID, what));
}

}  // namespace twi::config
