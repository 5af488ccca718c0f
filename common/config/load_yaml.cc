#include "common/config/load_yaml.h"

#include <sys/stat.h>

#include <limits>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/read_file.h"
#include "common/config/scalars.h"
#include "common/config/yaml_tree.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace twi::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Where each field stood in the text most recently parsed on this thread, for ConfigError.
struct Positions {
  std::string name;
  std::map<std::string, Position> fields;
};
thread_local Positions g_positions;

std::string Shown(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: return "nothing";
    case YamlNode::Kind::kScalar: return Quoted(node.scalar);
    case YamlNode::Kind::kList: return "a list";
    case YamlNode::Kind::kMap: return "a mapping";
  }
  return "nothing";
}

// The short name of an enum value: CREDENTIAL_KEY_TYPE_P256 -> P256.
std::string ShortEnumName(const EnumValueDescriptor& value) {
  std::string prefix;
  for (char c : value.type()->name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  return std::string(absl::StripPrefix(value.name(), absl::StrCat(prefix, "_")));
}

class Filler {
 public:
  explicit Filler(absl::string_view name) : name_(name) {}

  absl::Status FillMessage(const YamlNode& node, const std::string& path, Message& message) {
    const Descriptor& type = *message.GetDescriptor();
    if (type.full_name() == "google.protobuf.Duration") return FillDuration(node, path, message);
    if (type.full_name() == "google.protobuf.Timestamp") return FillTimestamp(node, path, message);
    if (node.kind != YamlNode::Kind::kMap) return Expected(node, path, absl::StrCat("a mapping with the fields of ", type.name(), " ({} for none)"));
    for (const auto& [key, value] : node.entries) {
      const FieldDescriptor* field = type.FindFieldByName(key.scalar);
      if (field == nullptr) return UnknownKey(key, path, type);
      TWI_RETURN_IF_ERROR(FillField(key, value, path.empty() ? key.scalar : absl::StrCat(path, ".", key.scalar), *field, message));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Expected(const YamlNode& node, absl::string_view path, absl::string_view what) const {
    return ErrorAt(name_, node.at, absl::StrCat(path, path.empty() ? "" : ": ", "expected ", what, ", got ", Shown(node)));
  }

  absl::Status UnknownKey(const YamlNode& key, const std::string& path, const Descriptor& type) const {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    const std::string nearest = Nearest(key.scalar, names);
    return ErrorAt(name_, key.at,
                   absl::StrCat("unknown key ", Quoted(key.scalar), path.empty() ? "" : " in ", path,
                                nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
  }

  absl::Status FillField(const YamlNode& key, const YamlNode& value, const std::string& path, const FieldDescriptor& field, Message& message) {
    g_positions.fields[path] = value.at;
    const Reflection& reflection = *message.GetReflection();
    if (const auto* oneof = field.real_containing_oneof(); oneof != nullptr && reflection.HasOneof(message, oneof)) {
      return ErrorAt(name_, key.at,
                     absl::StrCat(path, ": only one of these may be set, and \"", reflection.GetOneofFieldDescriptor(message, oneof)->name(), "\" is already"));
    }
    if (field.is_map()) return FillMap(value, path, field, message);
    if (field.is_repeated()) return FillList(value, path, field, message);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return FillMessage(value, path, *reflection.MutableMessage(&message, &field));
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

  // A proto map is a repeated message {key = 1, value = 2}.
  absl::Status FillMap(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    if (node.kind != YamlNode::Kind::kMap) return Expected(node, path, "a mapping");
    const FieldDescriptor& key_field = *field.message_type()->map_key();
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    for (const auto& [key, value] : node.entries) {
      const std::string at = absl::StrCat(path, "[", key.scalar, "]");
      g_positions.fields[at] = value.at;
      Message& entry = *message.GetReflection()->AddMessage(&message, &field);
      TWI_RETURN_IF_ERROR(FillScalar(key, at, key_field, entry, /*add=*/false));
      TWI_RETURN_IF_ERROR(value_field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
                              ? FillMessage(value, at, *entry.GetReflection()->MutableMessage(&entry, &value_field))
                              : FillScalar(value, at, value_field, entry, /*add=*/false));
    }
    return absl::OkStatus();
  }

  absl::Status FillScalar(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: return FillString(node, path, field, message, add);
      case FieldDescriptor::CPPTYPE_BOOL: return FillBool(node, path, field, message, add);
      case FieldDescriptor::CPPTYPE_ENUM: return FillEnum(node, path, field, message, add);
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64: return FillSigned(node, path, field, message, add);
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64: return FillUnsigned(node, path, field, message, add);
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT: return FillReal(node, path, field, message, add);
      case FieldDescriptor::CPPTYPE_MESSAGE: break;
    }
    return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat(path, ": a message is no scalar"));
  }

  absl::Status FillString(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    if (node.kind != YamlNode::Kind::kScalar) return Expected(node, path, "a string");
    std::string value = node.scalar;
    if (field.type() == FieldDescriptor::TYPE_BYTES) {
      std::optional<std::string> bytes = ParseHex(node.scalar);
      if (!bytes) return Expected(node, path, "bytes as hex digits");
      value = *std::move(bytes);
    } else if (!IsUtf8WithoutNul(value)) {  // "\0" and \x escapes in double quotes
      return Expected(node, path, "UTF-8 text without NUL");
    }
    const Reflection& r = *message.GetReflection();
    add ? r.AddString(&message, &field, std::move(value)) : r.SetString(&message, &field, std::move(value));
    return absl::OkStatus();
  }

  absl::Status FillBool(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    const bool is_true = node.plain && node.scalar == "true";
    if (node.kind != YamlNode::Kind::kScalar || !(is_true || (node.plain && node.scalar == "false"))) return Expected(node, path, "true or false");
    const Reflection& r = *message.GetReflection();
    add ? r.AddBool(&message, &field, is_true) : r.SetBool(&message, &field, is_true);
    return absl::OkStatus();
  }

  // Full name (MODE_FULL), short name (FULL) or short name in lower case (full). The zero value means "not said" (style H12): it is refused when it is spelled out.
  absl::Status FillEnum(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    std::vector<std::string> names;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      const EnumValueDescriptor& value = *field.enum_type()->value(i);
      const std::string short_name = ShortEnumName(value);
      if (short_name == "UNSPECIFIED") continue;
      names.push_back(short_name);
      if (node.kind != YamlNode::Kind::kScalar) continue;
      if (node.scalar != value.name() && node.scalar != short_name && node.scalar != absl::AsciiStrToLower(short_name)) continue;
      const Reflection& r = *message.GetReflection();
      add ? r.AddEnum(&message, &field, &value) : r.SetEnum(&message, &field, &value);
      return absl::OkStatus();
    }
    std::string all;
    for (const std::string& n : names) absl::StrAppend(&all, all.empty() ? "" : ", ", n);
    return Expected(node, path, absl::StrCat("one of ", all));
  }

  absl::Status FillSigned(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64;
    const std::int64_t low = wide ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int32_t>::min();
    const std::int64_t high = wide ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int32_t>::max();
    const std::optional<std::int64_t> value = node.kind == YamlNode::Kind::kScalar && node.plain ? ParseSigned(node.scalar) : std::nullopt;
    if (!value || *value < low || *value > high) return Expected(node, path, absl::StrCat("a whole number from ", low, " to ", high));
    const Reflection& r = *message.GetReflection();
    if (wide) {
      add ? r.AddInt64(&message, &field, *value) : r.SetInt64(&message, &field, *value);
    } else {
      const std::int32_t narrow = static_cast<std::int32_t>(*value);
      add ? r.AddInt32(&message, &field, narrow) : r.SetInt32(&message, &field, narrow);
    }
    return absl::OkStatus();
  }

  absl::Status FillUnsigned(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
    const std::uint64_t high = wide ? std::numeric_limits<std::uint64_t>::max() : std::numeric_limits<std::uint32_t>::max();
    const std::optional<std::uint64_t> value = node.kind == YamlNode::Kind::kScalar && node.plain ? ParseUnsigned(node.scalar) : std::nullopt;
    if (!value || *value > high) return Expected(node, path, absl::StrCat("a whole number from 0 to ", high));
    const Reflection& r = *message.GetReflection();
    if (wide) {
      add ? r.AddUInt64(&message, &field, *value) : r.SetUInt64(&message, &field, *value);
    } else {
      const std::uint32_t narrow = static_cast<std::uint32_t>(*value);
      add ? r.AddUInt32(&message, &field, narrow) : r.SetUInt32(&message, &field, narrow);
    }
    return absl::OkStatus();
  }

  absl::Status FillReal(const YamlNode& node, const std::string& path, const FieldDescriptor& field, Message& message, bool add) {
    const std::optional<double> value = node.kind == YamlNode::Kind::kScalar && node.plain ? ParseReal(node.scalar) : std::nullopt;
    const bool narrow = field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
    if (!value || (narrow && (*value > std::numeric_limits<float>::max() || *value < std::numeric_limits<float>::lowest()))) {
      return Expected(node, path, "a number");
    }
    const Reflection& r = *message.GetReflection();
    if (narrow) {
      const float f = static_cast<float>(*value);
      add ? r.AddFloat(&message, &field, f) : r.SetFloat(&message, &field, f);
    } else {
      add ? r.AddDouble(&message, &field, *value) : r.SetDouble(&message, &field, *value);
    }
    return absl::OkStatus();
  }

  absl::Status FillDuration(const YamlNode& node, const std::string& path, Message& message) const {
    const std::optional<absl::Duration> value = node.kind == YamlNode::Kind::kScalar ? ParseDurationText(node.scalar) : std::nullopt;
    if (!value) return Expected(node, path, "a duration like 250ms, 90s, 5m or 24h (at most 87600h)");
    const std::int64_t millis = absl::ToInt64Milliseconds(*value);
    return SetSecondsNanos(message, millis / 1000, static_cast<std::int32_t>(millis % 1000 * 1000000));
  }

  absl::Status FillTimestamp(const YamlNode& node, const std::string& path, Message& message) const {
    absl::Time time;
    std::string error;
    if (node.kind != YamlNode::Kind::kScalar || !absl::ParseTime(absl::RFC3339_full, node.scalar, &time, &error) ||
        time < absl::UnixEpoch() || time > absl::FromUnixSeconds(253402300799)) {
      return Expected(node, path, "a time like 2026-11-21T00:00:00Z");
    }
    const std::int64_t micros = absl::ToUnixMicros(time);
    return SetSecondsNanos(message, micros / 1000000, static_cast<std::int32_t>(micros % 1000000 * 1000));
  }

  // By reflection: the message may be a dynamic one.
  static absl::Status SetSecondsNanos(Message& message, std::int64_t seconds, std::int32_t nanos) {
    const Descriptor& type = *message.GetDescriptor();
    message.GetReflection()->SetInt64(&message, type.FindFieldByName("seconds"), seconds);
    message.GetReflection()->SetInt32(&message, type.FindFieldByName("nanos"), nanos);
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

absl::Status ConfigError(absl::string_view name, absl::string_view field_path, absl::string_view expected) {
  const std::string what = absl::StrCat(field_path, ": expected ", expected);
  // The field itself, or the nearest one around it that was written.
  std::string path(field_path);
  while (g_positions.name == name && !path.empty()) {
    const auto found = g_positions.fields.find(path);
    if (found != g_positions.fields.end()) return ErrorAt(name, found->second, what);
    const std::size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(name, name.empty() ? "" : ": ", what));
}

}  // namespace twi::config
