#include "common/crypto/pem.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "openssl/base64.h"

namespace twi::crypto {

std::optional<absl::string_view> NextPemBody(absl::string_view text, absl::string_view label, std::size_t* pos,
                                             bool* malformed) {
  *malformed = false;
  const std::string begin = absl::StrCat("-----BEGIN ", label, "-----");
  const std::string end = absl::StrCat("-----END ", label, "-----");
  const std::size_t at = text.find(begin, *pos);
  if (at == absl::string_view::npos) return std::nullopt;
  const std::size_t body = at + begin.size();
  const std::size_t stop = text.find(end, body);
  *malformed = stop == absl::string_view::npos;
  if (*malformed) return std::nullopt;
  *pos = stop + end.size();
  return text.substr(body, stop - body);
}

std::optional<SecretBytes> DecodePemBody(absl::string_view body) {
  SecretBytes packed(body.size());
  std::size_t packed_size = 0;
  for (const char c : body) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t')
      packed.mutable_data()[packed_size++] = static_cast<std::uint8_t>(c);
  }
  std::size_t max = 0;
  if (packed_size == 0 || !EVP_DecodedLength(&max, packed_size)) return std::nullopt;
  SecretBytes padded(max);
  std::size_t size = 0;
  // EVP_DecodeBase64 runs in constant time.
  if (!EVP_DecodeBase64(padded.mutable_data(), &size, max, packed.mutable_data(), packed_size)) return std::nullopt;
  return SecretBytes::CopyOf(padded.reveal().substr(0, size));
}

SecretBytes EncodePem(absl::string_view label, absl::string_view der) {
  constexpr std::size_t kBytesPerLine = 48;
  const std::string begin = absl::StrCat("-----BEGIN ", label, "-----\n");
  const std::string end = absl::StrCat("-----END ", label, "-----\n");
  const std::size_t lines = (der.size() + kBytesPerLine - 1) / kBytesPerLine;
  const std::size_t text_size = begin.size() + (der.size() + 2) / 3 * 4 + lines + end.size();
  SecretBytes out(text_size + 1);  // EVP_EncodeBlock writes a NUL behind each block
  std::uint8_t* at = out.mutable_data();
  std::memcpy(at, begin.data(), begin.size());
  at += begin.size();
  for (; !der.empty(); der.remove_prefix(std::min(kBytesPerLine, der.size()))) {
    const absl::string_view line = der.substr(0, kBytesPerLine);
    at += EVP_EncodeBlock(at, reinterpret_cast<const std::uint8_t*>(line.data()), line.size());
    *at++ = '\n';
  }
  std::memcpy(at, end.data(), end.size());
  return SecretBytes::CopyOf(out.reveal().substr(0, text_size));
}

}  // namespace twi::crypto
