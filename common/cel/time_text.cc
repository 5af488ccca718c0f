#include "common/cel/time_text.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"

namespace twi::cel {
namespace {

// Exactly `digits` decimal digits at the front of *text, removed from it.
bool TakeNumber(absl::string_view* text, size_t digits, int* out) {
  if (text->size() < digits) return false;
  *out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!absl::ascii_isdigit((*text)[i])) return false;
    *out = *out * 10 + ((*text)[i] - '0');
  }
  text->remove_prefix(digits);
  return true;
}

bool TakeChar(absl::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// ".123": 1 to 9 digits after the point; absent is zero.
bool TakeFraction(absl::string_view* text, int32_t* nanos) {
  *nanos = 0;
  if (!TakeChar(text, '.')) return true;
  int32_t scale = 100000000;
  size_t n = 0;
  for (; n < text->size() && absl::ascii_isdigit((*text)[n]); ++n, scale /= 10) {
    if (n == 9) return false;
    *nanos += ((*text)[n] - '0') * scale;
  }
  text->remove_prefix(n);
  return n > 0;
}

// "Z", "+hh:mm" or "-hh:mm", in seconds.
bool TakeOffset(absl::string_view* text, int* seconds) {
  *seconds = 0;
  if (TakeChar(text, 'Z')) return true;
  const bool negative = !text->empty() && text->front() == '-';
  if (!negative && (text->empty() || text->front() != '+')) return false;
  text->remove_prefix(1);
  int h, m;
  if (!TakeNumber(text, 2, &h) || !TakeChar(text, ':') || !TakeNumber(text, 2, &m) || h > 23 || m > 59) return false;
  *seconds = (h * 3600 + m * 60) * (negative ? -1 : 1);
  return true;
}

std::string Fraction(int64_t nanos) {
  if (nanos == 0) return "";
  std::string out = absl::StrFormat(".%09d", nanos);
  while (out.back() == '0') out.pop_back();
  return out;
}

struct Unit {
  const char* name;
  int64_t nanos;
};
constexpr Unit kUnits[] = {{"h", 3600000000000}, {"ms", 1000000}, {"m", 60000000000},
                           {"us", 1000},         {"ns", 1},       {"s", 1000000000}};

// One "12.5h" of a duration; adds to *total. False when it does not parse or does not fit.
bool TakeDurationPart(absl::string_view* text, __int128* total) {
  __int128 whole = 0, fraction = 0, scale = 1;
  size_t i = 0, digits = 0;
  for (; i < text->size() && absl::ascii_isdigit((*text)[i]); ++i, ++digits) {
    whole = whole * 10 + ((*text)[i] - '0');
    if (whole > std::numeric_limits<int64_t>::max()) return false;
  }
  if (i < text->size() && (*text)[i] == '.') {
    for (++i; i < text->size() && absl::ascii_isdigit((*text)[i]); ++i, ++digits) {
      if (scale < 1000000000000000) {  // digits beyond 10^-15 of a unit are below a nanosecond
        fraction = fraction * 10 + ((*text)[i] - '0');
        scale *= 10;
      }
    }
  }
  if (digits == 0) return false;
  text->remove_prefix(i);
  for (const Unit& unit : kUnits) {
    const absl::string_view name = unit.name;
    if (text->substr(0, name.size()) != name) continue;
    text->remove_prefix(name.size());
    *total += whole * unit.nanos + fraction * unit.nanos / scale;
    return *total <= std::numeric_limits<int64_t>::max();
  }
  return false;
}

}  // namespace

absl::StatusOr<TimestampParts> ParseTimestamp(absl::string_view text) {
  const auto bad = [] { return absl::InvalidArgumentError("timestamp out of range or not RFC 3339"); };
  int year, month, day, hour, minute, second, offset;
  int32_t nanos;
  if (!TakeNumber(&text, 4, &year) || !TakeChar(&text, '-') || !TakeNumber(&text, 2, &month) || !TakeChar(&text, '-') ||
      !TakeNumber(&text, 2, &day) || !TakeChar(&text, 'T') || !TakeNumber(&text, 2, &hour) || !TakeChar(&text, ':') ||
      !TakeNumber(&text, 2, &minute) || !TakeChar(&text, ':') || !TakeNumber(&text, 2, &second) ||
      !TakeFraction(&text, &nanos) || !TakeOffset(&text, &offset) || !text.empty()) {
    return bad();
  }
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  // CivilSecond normalizes "31 February": what comes back must be what was written.
  if (civil.year() != year || civil.month() != month || civil.day() != day || civil.hour() != hour ||
      civil.minute() != minute || civil.second() != second) {
    return bad();
  }
  const int64_t seconds = (civil - absl::CivilSecond(1970, 1, 1)) - offset;
  if (seconds < kMinTimestampSeconds || seconds > kMaxTimestampSeconds) return bad();
  return TimestampParts{seconds, nanos};
}

std::string FormatTimestamp(int64_t seconds, int32_t nanos) {
  const absl::CivilSecond c = absl::CivilSecond(1970, 1, 1) + seconds;
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d%sZ", c.year(), c.month(), c.day(), c.hour(), c.minute(),
                         c.second(), Fraction(nanos));
}

absl::StatusOr<int64_t> ParseDuration(absl::string_view text) {
  const auto bad = [] { return absl::InvalidArgumentError("duration out of range or malformed"); };
  const bool negative = TakeChar(&text, '-');
  if (!negative) TakeChar(&text, '+');
  if (text == "0") return 0;
  if (text.empty()) return bad();
  __int128 total = 0;
  while (!text.empty()) {
    if (!TakeDurationPart(&text, &total)) return bad();
  }
  return static_cast<int64_t>(negative ? -total : total);
}

std::string FormatDuration(int64_t nanoseconds) {
  const bool negative = nanoseconds < 0;
  const uint64_t n = negative ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  return absl::StrCat(negative ? "-" : "", n / 1000000000, Fraction(static_cast<int64_t>(n % 1000000000)), "s");
}

absl::StatusOr<absl::TimeZone> ParseZone(absl::string_view text, bool allow_names) {
  if (text == "UTC") return absl::UTCTimeZone();
  absl::string_view rest = text;
  const bool unsigned_offset = !text.empty() && absl::ascii_isdigit(text.front());
  const std::string with_sign = unsigned_offset ? absl::StrCat("+", text) : std::string();
  if (unsigned_offset) rest = with_sign;
  int offset;
  if (TakeOffset(&rest, &offset) && rest.empty()) return absl::FixedTimeZone(offset);
  if (!allow_names) {
    return absl::InvalidArgumentError("time zone must be UTC or an offset; an IANA name only as a literal");
  }
  bool plain = !text.empty() && text.size() <= 64 && absl::ascii_isalpha(text.front()) && text != "localtime";
  for (const char c : text) plain = plain && (absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '+' || c == '/');
  absl::TimeZone zone;
  if (!plain || !absl::LoadTimeZone(std::string(text), &zone)) return absl::InvalidArgumentError("unknown time zone");
  return zone;
}

}  // namespace twi::cel
