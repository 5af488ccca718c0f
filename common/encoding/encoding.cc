#include "common/encoding/encoding.h"

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Value of each character in `alphabet`, or -1.
constexpr std::array<std::int8_t, 256> Inverse(const char* alphabet) {
  std::array<std::int8_t, 256> table = {};
  for (std::size_t i = 0; i < 256; ++i) table[i] = -1;
  for (int i = 0; i < 64; ++i) table[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}
constexpr std::array<std::int8_t, 256> kBase64Inverse = Inverse(kBase64);
constexpr std::array<std::int8_t, 256> kBase64UrlInverse = Inverse(kBase64Url);

std::string Encode(const char* alphabet, absl::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<std::uint8_t>(c);
    count += 8;
    for (; count >= 6; count -= 6) out.push_back(alphabet[(bits >> (count - 6)) & 63]);
  }
  if (count > 0) out.push_back(alphabet[(bits << (6 - count)) & 63]);
  return out;
}

// `text` without padding.
absl::StatusOr<std::string> Decode(const std::array<std::int8_t, 256>& inverse, absl::string_view text) {
  if (text.size() % 4 == 1) return Deny(v1::DENY_REASON_ENCODING_MALFORMED, "base64: impossible length");
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = inverse[static_cast<std::uint8_t>(text[i])];
    if (value < 0)
      return Deny(v1::DENY_REASON_ENCODING_MALFORMED,
                  absl::StrCat("base64: character at ", i, " is not of the alphabet"));
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  // RFC 4648 3.5: unused bits must be zero, else two texts stand for the same bytes.
  if ((bits & ((1u << count) - 1)) != 0)
    return Deny(v1::DENY_REASON_ENCODING_MALFORMED, "base64: unused bits are not zero");
  return out;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string ToHex(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out.push_back(kHexDigits[static_cast<std::uint8_t>(c) >> 4]);
    out.push_back(kHexDigits[static_cast<std::uint8_t>(c) & 15]);
  }
  return out;
}

absl::StatusOr<std::string> FromHex(absl::string_view hex) {
  if (hex.size() % 2 != 0) return Deny(v1::DENY_REASON_ENCODING_MALFORMED, "hex: odd length");
  std::string out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexValue(hex[i]);
    const int low = HexValue(hex[i + 1]);
    if (high < 0 || low < 0) return Deny(v1::DENY_REASON_ENCODING_MALFORMED, absl::StrCat("hex: not a digit at ", i));
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

std::string ToBase64Url(absl::string_view bytes) { return Encode(kBase64Url, bytes); }

absl::StatusOr<std::string> FromBase64Url(absl::string_view text) { return Decode(kBase64UrlInverse, text); }

std::string ToBase64(absl::string_view bytes) {
  std::string out = Encode(kBase64, bytes);
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

absl::StatusOr<std::string> FromBase64(absl::string_view text) {
  if (text.size() % 4 != 0) return Deny(v1::DENY_REASON_ENCODING_MALFORMED, "base64: length is not a multiple of 4");
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return Decode(kBase64Inverse, text);
}

}  // namespace twi
