#include "common/config/fill_scalar.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/config/scalars.h"
#include "common/status/deny.h"

namespace twi::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Shown(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return Quoted(node.scalar);
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
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

absl::Status FillString(absl::string_view name, const YamlNode& node, const std::string& path,
                        const FieldDescriptor& field, Message& message, bool add) {
  if (node.kind != YamlNode::Kind::kScalar) return ExpectedAt(name, node, path, "a string");
  std::string value = node.scalar;
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    std::optional<std::string> bytes = ParseHex(node.scalar);
    if (!bytes) return ExpectedAt(name, node, path, "bytes as hex digits");
    value = *std::move(bytes);
  } else if (!IsUtf8WithoutNul(value)) {  // "\0" and \x escapes in double quotes
    return ExpectedAt(name, node, path, "UTF-8 text without NUL");
  }
  const Reflection& r = *message.GetReflection();
  add ? r.AddString(&message, &field, std::move(value)) : r.SetString(&message, &field, std::move(value));
  return absl::OkStatus();
}

absl::Status FillBool(absl::string_view name, const YamlNode& node, const std::string& path,
                      const FieldDescriptor& field, Message& message, bool add) {
  const bool is_true = node.plain && node.scalar == "true";
  if (node.kind != YamlNode::Kind::kScalar || !(is_true || (node.plain && node.scalar == "false")))
    return ExpectedAt(name, node, path, "true or false");
  const Reflection& r = *message.GetReflection();
  add ? r.AddBool(&message, &field, is_true) : r.SetBool(&message, &field, is_true);
  return absl::OkStatus();
}

// Full name (MODE_FULL), short name (FULL) or short name in lower case (full). The zero value means "not said" (style
// H12): it is refused when it is spelled out.
absl::Status FillEnum(absl::string_view name, const YamlNode& node, const std::string& path,
                      const FieldDescriptor& field, Message& message, bool add) {
  std::vector<std::string> names;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor& value = *field.enum_type()->value(i);
    const std::string short_name = ShortEnumName(value);
    if (short_name == "UNSPECIFIED") continue;
    names.push_back(short_name);
    if (node.kind != YamlNode::Kind::kScalar) continue;
    if (node.scalar != value.name() && node.scalar != short_name && node.scalar != absl::AsciiStrToLower(short_name))
      continue;
    const Reflection& r = *message.GetReflection();
    add ? r.AddEnum(&message, &field, &value) : r.SetEnum(&message, &field, &value);
    return absl::OkStatus();
  }
  std::string all;
  for (const std::string& n : names) absl::StrAppend(&all, all.empty() ? "" : ", ", n);
  return ExpectedAt(name, node, path, absl::StrCat("one of ", all));
}

absl::Status FillSigned(absl::string_view name, const YamlNode& node, const std::string& path,
                        const FieldDescriptor& field, Message& message, bool add) {
  const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64;
  const std::int64_t low = wide ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int32_t>::min();
  const std::int64_t high = wide ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int32_t>::max();
  const std::optional<std::int64_t> value =
      node.kind == YamlNode::Kind::kScalar && node.plain ? ParseSigned(node.scalar) : std::nullopt;
  if (!value || *value < low || *value > high)
    return ExpectedAt(name, node, path, absl::StrCat("a whole number from ", low, " to ", high));
  const Reflection& r = *message.GetReflection();
  if (wide) {
    add ? r.AddInt64(&message, &field, *value) : r.SetInt64(&message, &field, *value);
  } else {
    const std::int32_t narrow = static_cast<std::int32_t>(*value);
    add ? r.AddInt32(&message, &field, narrow) : r.SetInt32(&message, &field, narrow);
  }
  return absl::OkStatus();
}

absl::Status FillUnsigned(absl::string_view name, const YamlNode& node, const std::string& path,
                          const FieldDescriptor& field, Message& message, bool add) {
  const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  const std::uint64_t high =
      wide ? std::numeric_limits<std::uint64_t>::max() : std::numeric_limits<std::uint32_t>::max();
  const std::optional<std::uint64_t> value =
      node.kind == YamlNode::Kind::kScalar && node.plain ? ParseUnsignedOrHex(node.scalar) : std::nullopt;
  if (!value || *value > high) return ExpectedAt(name, node, path, absl::StrCat("a whole number from 0 to ", high));
  const Reflection& r = *message.GetReflection();
  if (wide) {
    add ? r.AddUInt64(&message, &field, *value) : r.SetUInt64(&message, &field, *value);
  } else {
    const std::uint32_t narrow = static_cast<std::uint32_t>(*value);
    add ? r.AddUInt32(&message, &field, narrow) : r.SetUInt32(&message, &field, narrow);
  }
  return absl::OkStatus();
}

absl::Status FillReal(absl::string_view name, const YamlNode& node, const std::string& path,
                      const FieldDescriptor& field, Message& message, bool add) {
  const bool plain = node.kind == YamlNode::Kind::kScalar && node.plain;
  const std::optional<double> parsed = plain ? ParseReal(node.scalar) : std::nullopt;
  const bool narrow = field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
  const double value = parsed.value_or(0);
  if (!parsed ||
      (narrow && (value > std::numeric_limits<float>::max() || value < std::numeric_limits<float>::lowest()))) {
    return ExpectedAt(name, node, path, "a number");
  }
  const Reflection& r = *message.GetReflection();
  if (narrow) {
    const float f = static_cast<float>(value);
    add ? r.AddFloat(&message, &field, f) : r.SetFloat(&message, &field, f);
  } else {
    add ? r.AddDouble(&message, &field, value) : r.SetDouble(&message, &field, value);
  }
  return absl::OkStatus();
}

// By reflection: the message may be a dynamic one.
absl::Status SetSecondsNanos(Message& message, std::int64_t seconds, std::int32_t nanos) {
  const Descriptor& type = *message.GetDescriptor();
  message.GetReflection()->SetInt64(&message, type.FindFieldByName("seconds"), seconds);
  message.GetReflection()->SetInt32(&message, type.FindFieldByName("nanos"), nanos);
  return absl::OkStatus();
}

}  // namespace

absl::Status ExpectedAt(absl::string_view name, const YamlNode& node, absl::string_view path, absl::string_view what) {
  return ErrorAt(name, node.at, absl::StrCat(path, path.empty() ? "" : ": ", "expected ", what, ", got ", Shown(node)));
}

absl::Status FillScalar(absl::string_view name, const YamlNode& node, const std::string& path,
                        const FieldDescriptor& field, Message& message, bool add) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return FillString(name, node, path, field, message, add);
    case FieldDescriptor::CPPTYPE_BOOL:
      return FillBool(name, node, path, field, message, add);
    case FieldDescriptor::CPPTYPE_ENUM:
      return FillEnum(name, node, path, field, message, add);
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return FillSigned(name, node, path, field, message, add);
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return FillUnsigned(name, node, path, field, message, add);
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FillReal(name, node, path, field, message, add);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat(path, ": a message is no scalar"));
}

absl::Status FillDuration(absl::string_view name, const YamlNode& node, const std::string& path, Message& message) {
  const std::optional<absl::Duration> value =
      node.kind == YamlNode::Kind::kScalar ? ParseDurationText(node.scalar) : std::nullopt;
  if (!value) return ExpectedAt(name, node, path, "a duration like 250ms, 90s, 5m or 24h (at most 87600h)");
  const std::int64_t millis = absl::ToInt64Milliseconds(*value);
  return SetSecondsNanos(message, millis / 1000, static_cast<std::int32_t>(millis % 1000 * 1000000));
}

absl::Status FillTimestamp(absl::string_view name, const YamlNode& node, const std::string& path, Message& message) {
  absl::Time time;
  std::string error;
  if (node.kind != YamlNode::Kind::kScalar || !absl::ParseTime(absl::RFC3339_full, node.scalar, &time, &error) ||
      time < absl::UnixEpoch() || time > absl::FromUnixSeconds(253402300799)) {
    return ExpectedAt(name, node, path, "a time like 2026-11-21T00:00:00Z");
  }
  const std::int64_t micros = absl::ToUnixMicros(time);
  return SetSecondsNanos(message, micros / 1000000, static_cast<std::int32_t>(micros % 1000000 * 1000));
}

}  // namespace twi::config
