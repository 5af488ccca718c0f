#include "common/storage/hkdf.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"

namespace twi::storage {
namespace {

SecretBytes Hmac(const SecretBytes& key, absl::string_view data) {
  std::string mac = crypto::HmacSha256(key, data);
  SecretBytes secret = SecretBytes::CopyOf(mac);
  Wipe(mac);
  return secret;
}

}  // namespace

SecretBytes HkdfSha256(const SecretBytes& input_key, absl::string_view salt, absl::string_view info) {
  const SecretBytes pseudorandom_key =
      Hmac(SecretBytes::CopyOf(salt), input_key.reveal());    // RFC 5869 section 2.2, Extract
  return Hmac(pseudorandom_key, absl::StrCat(info, "\x01"));  // section 2.3, Expand: T(1) is 32 bytes
}

}  // namespace twi::storage
