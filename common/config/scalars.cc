#include "common/config/scalars.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace twi::config {
namespace {

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

std::size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

bool IsUtf8WithoutNul(absl::string_view s) {
  const auto at = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xC0) == 0x80; };
  for (std::size_t i = 0; i < s.size();) {
    const unsigned c = at(i);
    if (c == 0) return false;
    if (c < 0x80) {
      i += 1;
    } else if (c >= 0xC2 && c <= 0xDF && tail(i + 1)) {
      i += 2;
    } else if (c >= 0xE0 && c <= 0xEF && tail(i + 1) && tail(i + 2) && !(c == 0xE0 && at(i + 1) < 0xA0) &&
               !(c == 0xED && at(i + 1) > 0x9F)) {
      i += 3;
    } else if (c >= 0xF0 && c <= 0xF4 && tail(i + 1) && tail(i + 2) && tail(i + 3) &&
               !(c == 0xF0 && at(i + 1) < 0x90) && !(c == 0xF4 && at(i + 1) > 0x8F)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::string Quoted(absl::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string out = "\"";
  for (char c : text.substr(0, kShown)) out += absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? '?' : c;
  absl::StrAppend(&out, text.size() > kShown ? "...\"" : "\"");
  return out;
}

std::optional<absl::Duration> ParseDurationText(absl::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = ParseUnsigned(text.substr(0, digits));
  if (!number || *number > 315360000000ULL) return std::nullopt;  // ten years in milliseconds: no overflow below
  const absl::string_view unit = text.substr(digits);
  const std::int64_t n = static_cast<std::int64_t>(*number);
  absl::Duration duration;
  if (unit == "ms") {
    duration = absl::Milliseconds(n);
  } else if (unit == "s") {
    duration = absl::Seconds(n);
  } else if (unit == "m") {
    duration = absl::Minutes(n);
  } else if (unit == "h") {
    duration = absl::Hours(n);
  } else {
    return std::nullopt;
  }
  if (duration > absl::Hours(87600)) return std::nullopt;
  return duration;
}

std::optional<std::uint64_t> ParseUnsignedOrHex(absl::string_view text) {
  if (text.substr(0, 2) != "0x") return ParseUnsigned(text);
  text.remove_prefix(2);
  std::uint64_t value = 0;
  const bool digits = !text.empty() && text.size() <= 16 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c));
  });
  if (!digits || !absl::SimpleHexAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> ParseUnsigned(absl::string_view text) {
  if (!AllDigits(text) || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> ParseSigned(absl::string_view text) {
  const absl::string_view digits = !text.empty() && text[0] == '-' ? text.substr(1) : text;
  if (!AllDigits(digits) || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::optional<double> ParseReal(absl::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.eE+-") != absl::string_view::npos) return std::nullopt;
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::string> ParseHex(absl::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  for (char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
  }
  return absl::HexStringToBytes(text);
}

std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > 64) return "";  // bounds the work for hostile keys
  std::string nearest;
  std::size_t best = 3;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance < best && distance * 2 < word.size()) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace twi::config
