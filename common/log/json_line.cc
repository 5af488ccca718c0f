#include "common/log/json_line.h"

#include <algorithm>
#include <ctime>

namespace twi::log {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

bool IsContinuation(unsigned char c) { return (c & 0xC0) == 0x80; }

// Length of the well-formed UTF-8 sequence at the front of `s` (RFC 3629 section 4), 0 when there is none.
std::size_t Utf8Length(absl::string_view s) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return s.size() >= 2 && IsContinuation(at(1)) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (s.size() < 3 || !IsContinuation(at(1)) || !IsContinuation(at(2))) return 0;
    if (c == 0xE0 && at(1) < 0xA0) return 0;  // overlong
    if (c == 0xED && at(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (s.size() < 4 || !IsContinuation(at(1)) || !IsContinuation(at(2)) || !IsContinuation(at(3))) return 0;
    if (c == 0xF0 && at(1) < 0x90) return 0;  // overlong
    if (c == 0xF4 && at(1) > 0x8F) return 0;  // over U+10FFFF
    return 4;
  }
  return 0;
}

void AppendEscaped(unsigned char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

void AppendDigits(int value, int width, std::string& out) {
  char digits[8];
  for (int i = width - 1; i >= 0; --i, value /= 10) digits[i] = static_cast<char>('0' + value % 10);
  out.append(digits, static_cast<std::size_t>(width));
}

}  // namespace

void AppendJsonString(absl::string_view text, std::string& out) {
  out += '"';
  std::size_t plain = 0;  // start of the run that needs no escape
  std::size_t i = 0;
  const auto flush = [&] { out.append(text.data() + plain, i - plain); };
  while (i < text.size()) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    if (c < 0x80) {
      flush();
      AppendEscaped(c, out);
      plain = ++i;
      continue;
    }
    const std::size_t length = Utf8Length(text.substr(i));
    const bool line_end = length == 3 && (text.substr(i, 3) == "\xE2\x80\xA8" || text.substr(i, 3) == "\xE2\x80\xA9");
    if (length != 0 && !line_end) {
      i += length;
      continue;
    }
    flush();
    if (line_end) {
      out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 3;
    } else {
      out += kReplacement;
      i += 1;
    }
    plain = i;
  }
  flush();
  out += '"';
}

void AppendJsonField(absl::string_view name, absl::string_view value, std::string& out) {
  out += ',';
  AppendJsonString(name, out);
  out += ':';
  AppendJsonString(value, out);
}

void AppendTimestamp(std::int64_t unix_micros, std::string& out) {
  constexpr std::int64_t kEnd = 253402300799LL * 1000000 + 999999;  // 9999-12-31T23:59:59.999999Z
  unix_micros = std::clamp<std::int64_t>(unix_micros, 0, kEnd);
  const std::time_t seconds = static_cast<std::time_t>(unix_micros / 1000000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  AppendDigits(tm.tm_year + 1900, 4, out);
  out += '-';
  AppendDigits(tm.tm_mon + 1, 2, out);
  out += '-';
  AppendDigits(tm.tm_mday, 2, out);
  out += 'T';
  AppendDigits(tm.tm_hour, 2, out);
  out += ':';
  AppendDigits(tm.tm_min, 2, out);
  out += ':';
  AppendDigits(tm.tm_sec, 2, out);
  out += '.';
  AppendDigits(static_cast<int>(unix_micros % 1000000), 6, out);
  out += 'Z';
}

}  // namespace twi::log
