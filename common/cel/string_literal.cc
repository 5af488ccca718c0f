#include "common/cel/string_literal.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "common/cel/utf8.h"

namespace twi::cel {
namespace {

constexpr absl::string_view kSimple = "abfnrtv\\?\"'`";
constexpr absl::string_view kSimpleMeaning = "\a\b\f\n\r\t\v\\?\"'`";

int DigitValue(char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  return absl::ascii_isxdigit(c) ? absl::ascii_tolower(c) - 'a' + 10 : 99;
}

// Exactly `count` digits of `base` at the front of *body.
bool TakeDigits(absl::string_view* body, size_t count, int base, uint32_t* out) {
  *out = 0;
  if (body->size() < count) return false;
  for (size_t i = 0; i < count; ++i) {
    const int digit = DigitValue((*body)[i]);
    if (digit >= base) return false;
    *out = *out * base + digit;
  }
  body->remove_prefix(count);
  return true;
}

// *body stands behind a backslash.
bool TakeEscape(absl::string_view* body, bool is_bytes, std::string* out) {
  if (body->empty()) return false;
  const char c = body->front();
  const size_t simple = kSimple.find(c);
  if (simple != absl::string_view::npos) {
    out->push_back(kSimpleMeaning[simple]);
    body->remove_prefix(1);
    return true;
  }
  uint32_t code;
  bool octet = true;
  if (c >= '0' && c <= '3') {
    if (!TakeDigits(body, 3, 8, &code)) return false;
  } else {
    body->remove_prefix(1);
    octet = c == 'x' || c == 'X';
    const size_t digits = octet ? 2 : (c == 'u' ? 4 : (c == 'U' ? 8 : 0));
    if (digits == 0 || (!octet && is_bytes) || !TakeDigits(body, digits, 16, &code)) return false;
  }
  if (is_bytes) {
    out->push_back(static_cast<char>(code));
    return true;
  }
  return AppendCodePoint(code, out);
}

}  // namespace

absl::StatusOr<std::string> Unescape(absl::string_view body, bool is_bytes) {
  std::string out;
  out.reserve(body.size());
  while (!body.empty()) {
    const char c = body.front();
    body.remove_prefix(1);
    if (c != '\\') {
      out.push_back(c);
    } else if (!TakeEscape(&body, is_bytes, &out)) {
      return absl::InvalidArgumentError("bad escape in a literal");
    }
  }
  return out;
}

}  // namespace twi::cel
