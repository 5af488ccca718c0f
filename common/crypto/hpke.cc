#include "common/crypto/hpke.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/der.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/curve25519.h"
#include "openssl/err.h"
#include "openssl/hpke.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kTagSize = 16;
// SubjectPublicKeyInfo of id-X25519 up to the key (RFC 8410 4).
const absl::string_view kSpkiPrefix = TWI_DER("\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00");

std::string SpkiOf(const std::uint8_t public_key[kKeySize]) {
  return absl::StrCat(kSpkiPrefix, absl::string_view(reinterpret_cast<const char*>(public_key), kKeySize));
}

absl::Status Refuse(v1::DenyReason reason, absl::string_view detail) {
  ERR_clear_error();
  return Deny(reason, detail);
}

}  // namespace

absl::Status CheckHpkePublicKey(absl::string_view spki) {
  if (spki.size() != kSpkiPrefix.size() + kKeySize || spki.substr(0, kSpkiPrefix.size()) != kSpkiPrefix) {
    return Deny(v1::DENY_REASON_KEY_MALFORMED, "not an X25519 SubjectPublicKeyInfo");
  }
  return absl::OkStatus();
}

absl::StatusOr<HpkeSealed> HpkeSeal(absl::string_view recipient_spki, absl::string_view info, absl::string_view aad,
                                    absl::string_view plaintext) {
  TWI_RETURN_IF_ERROR(CheckHpkePublicKey(recipient_spki));
  const absl::string_view recipient = recipient_spki.substr(kSpkiPrefix.size());
  bssl::ScopedEVP_HPKE_CTX ctx;
  HpkeSealed sealed;
  sealed.enc.resize(kKeySize);
  std::size_t enc_size = 0;
  if (!EVP_HPKE_CTX_setup_sender(ctx.get(), reinterpret_cast<std::uint8_t*>(&sealed.enc[0]), &enc_size,
                                 sealed.enc.size(), EVP_hpke_x25519_hkdf_sha256(), EVP_hpke_hkdf_sha256(),
                                 EVP_hpke_aes_256_gcm(), Data(recipient), recipient.size(), Data(info), info.size()) ||
      enc_size != kKeySize) {
    return Refuse(v1::DENY_REASON_KEY_MALFORMED, "X25519 public key of small order");
  }
  sealed.ciphertext.resize(plaintext.size() + kTagSize);
  std::size_t size = 0;
  if (!EVP_HPKE_CTX_seal(ctx.get(), reinterpret_cast<std::uint8_t*>(&sealed.ciphertext[0]), &size,
                         sealed.ciphertext.size(), Data(plaintext), plaintext.size(), Data(aad), aad.size()) ||
      size != sealed.ciphertext.size()) {
    ERR_clear_error();
    return absl::InternalError("EVP_HPKE_CTX_seal");
  }
  return sealed;
}

absl::StatusOr<HpkePrivateKey> HpkePrivateKey::Generate() {
  SecretBytes raw(kKeySize);
  std::uint8_t public_key[kKeySize];
  X25519_keypair(public_key, raw.mutable_data());
  return HpkePrivateKey(std::move(raw), SpkiOf(public_key));
}

absl::StatusOr<HpkePrivateKey> HpkePrivateKey::FromRaw(const SecretBytes& raw32) {
  if (raw32.size() != kKeySize) return Deny(v1::DENY_REASON_KEY_MALFORMED, "an X25519 private key has 32 bytes");
  std::uint8_t public_key[kKeySize];
  X25519_public_from_private(public_key, Data(raw32.reveal()));
  return HpkePrivateKey(raw32.Clone(), SpkiOf(public_key));
}

absl::StatusOr<SecretBytes> HpkePrivateKey::Open(const HpkeSealed& sealed, absl::string_view info,
                                                 absl::string_view aad) const {
  if (sealed.enc.size() != kKeySize || sealed.ciphertext.size() < kTagSize) {
    return Deny(v1::DENY_REASON_DECRYPTION_FAILED, "enc is not 32 bytes, or the ciphertext is shorter than a tag");
  }
  bssl::ScopedEVP_HPKE_KEY key;
  bssl::ScopedEVP_HPKE_CTX ctx;
  if (!EVP_HPKE_KEY_init(key.get(), EVP_hpke_x25519_hkdf_sha256(), Data(raw_.reveal()), raw_.size()) ||
      !EVP_HPKE_CTX_setup_recipient(ctx.get(), key.get(), EVP_hpke_hkdf_sha256(), EVP_hpke_aes_256_gcm(),
                                    Data(sealed.enc), sealed.enc.size(), Data(info), info.size())) {
    return Refuse(v1::DENY_REASON_DECRYPTION_FAILED, "enc is not usable");
  }
  // Room for in_len bytes is needed, the tag included.
  SecretBytes opened(sealed.ciphertext.size());
  std::size_t size = 0;
  if (!EVP_HPKE_CTX_open(ctx.get(), opened.mutable_data(), &size, opened.size(), Data(sealed.ciphertext),
                         sealed.ciphertext.size(), Data(aad), aad.size())) {
    return Refuse(v1::DENY_REASON_DECRYPTION_FAILED, "key, info, aad or ciphertext differ");
  }
  return SecretBytes::CopyOf(opened.reveal().substr(0, size));
}

}  // namespace twi::crypto
