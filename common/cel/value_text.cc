#include "common/cel/value_text.h"

#include <cmath>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/cel/time_text.h"
#include "common/cel/utf8.h"
#include "common/cel/value.h"

namespace twi::cel {

std::string DoubleText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::string out;
  for (const int precision : {15, 16, 17}) {
    out = absl::StrFormat("%.*g", precision, value);
    if (std::strtod(out.c_str(), nullptr) == value) break;
  }
  return out;
}

namespace {

constexpr int kMaxLevels = 8;

void AppendQuoted(absl::string_view text, size_t max, std::string* out) {
  size_t room = max > out->size() ? max - out->size() : 0;
  const bool cut = text.size() > room;
  // Only what is shown is looked at, cut before a code point: 10xxxxxx continues one, at most three times.
  for (int i = 0; cut && i < 3 && room > 0 && (static_cast<uint8_t>(text[room]) & 0xC0) == 0x80; ++i) --room;
  const absl::string_view shown = text.substr(0, room);
  absl::StrAppend(out, "\"", IsUtf8(shown) ? absl::Utf8SafeCEscape(shown) : absl::CHexEscape(shown),
                  cut ? "...\"" : "\"");
}

void Append(const Value& v, size_t max, int level, std::string* out);

// Writes the separator; false when there is no room for another element.
bool Next(size_t max, bool first, std::string* out) {
  if (!first) out->append(", ");
  if (out->size() < max) return true;
  out->append("...");
  return false;
}

void AppendContainer(const Value& v, size_t max, int level, std::string* out) {
  const bool is_list = v.Is(Value::Kind::kList);
  out->push_back(is_list ? '[' : '{');
  bool first = true;
  if (level >= kMaxLevels) {
    out->append("...");
  } else if (is_list) {
    for (const Value& item : v.list()) {
      if (!Next(max, first, out)) break;
      first = false;
      Append(item, max, level + 1, out);
    }
  } else {
    for (const auto& [key, value] : v.entries()) {
      if (!Next(max, first, out)) break;
      first = false;
      Append(key, max, level + 1, out);
      out->append(": ");
      Append(value, max, level + 1, out);
    }
  }
  out->push_back(is_list ? ']' : '}');
}

void Append(const Value& v, size_t max, int level, std::string* out) {
  switch (v.kind()) {
    case Value::Kind::kNull:
      return void(out->append("null"));
    case Value::Kind::kBool:
      return void(out->append(v.bool_value() ? "true" : "false"));
    case Value::Kind::kInt:
      return absl::StrAppend(out, v.int_value());
    case Value::Kind::kUint:
      return absl::StrAppend(out, v.uint_value(), "u");
    case Value::Kind::kDouble: {
      const std::string text = DoubleText(v.double_value());
      const bool integral = text.find_first_not_of("-0123456789") == std::string::npos;
      return absl::StrAppend(out, text, integral ? ".0" : "");
    }
    case Value::Kind::kString:
      return AppendQuoted(v.text(), max, out);
    case Value::Kind::kBytes:
      out->push_back('b');
      return AppendQuoted(v.text(), max, out);
    case Value::Kind::kTimestamp:
      return absl::StrAppend(out, "timestamp(\"", FormatTimestamp(v.seconds(), v.nanos()), "\")");
    case Value::Kind::kDuration:
      return absl::StrAppend(out, "duration(\"", FormatDuration(v.duration_nanos()), "\")");
    case Value::Kind::kType:
      return absl::StrAppend(out, KindName(v.type_value()));
    case Value::Kind::kList:
    case Value::Kind::kMap:
      return AppendContainer(v, max, level, out);
  }
}

}  // namespace

std::string Value::ToCelText(size_t max_bytes) const {
  std::string out;
  Append(*this, max_bytes, 0, &out);
  return out;
}

}  // namespace twi::cel
