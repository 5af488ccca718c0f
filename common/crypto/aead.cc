#include "common/crypto/aead.h"

#include "common/crypto/der.h"
#include "common/status/deny.h"
#include "openssl/aead.h"
#include "openssl/err.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;

bssl::UniquePtr<EVP_AEAD_CTX> NewContext(const SecretBytes& key) {
  if (key.size() != kKeySize) return nullptr;
  return bssl::UniquePtr<EVP_AEAD_CTX>(
      EVP_AEAD_CTX_new(EVP_aead_aes_256_gcm(), Data(key.reveal()), key.size(), kTagSize));
}

}  // namespace

absl::StatusOr<std::string> AeadSeal(const SecretBytes& key, absl::string_view aad, absl::string_view plaintext,
                                     Random& random) {
  const bssl::UniquePtr<EVP_AEAD_CTX> ctx = NewContext(key);
  if (ctx == nullptr) return absl::InvalidArgumentError("an AES-256-GCM key has 32 bytes");
  std::string sealed = random.Bytes(kNonceSize);
  if (sealed.size() != kNonceSize) return absl::InternalError("Random gave too few bytes");
  sealed.resize(kNonceSize + plaintext.size() + kTagSize);
  auto* out = reinterpret_cast<std::uint8_t*>(&sealed[0]);
  std::size_t size = 0;
  if (!EVP_AEAD_CTX_seal(ctx.get(), out + kNonceSize, &size, sealed.size() - kNonceSize, out, kNonceSize,
                         Data(plaintext), plaintext.size(), Data(aad), aad.size()) ||
      size != sealed.size() - kNonceSize) {
    ERR_clear_error();
    return absl::InternalError("EVP_AEAD_CTX_seal");
  }
  return sealed;
}

absl::StatusOr<SecretBytes> AeadOpen(const SecretBytes& key, absl::string_view aad, absl::string_view sealed) {
  const bssl::UniquePtr<EVP_AEAD_CTX> ctx = NewContext(key);
  if (ctx == nullptr) return absl::InvalidArgumentError("an AES-256-GCM key has 32 bytes");
  if (sealed.size() < kNonceSize + kTagSize)
    return Deny(v1::DENY_REASON_DECRYPTION_FAILED, "sealed bytes are shorter than nonce and tag");
  const absl::string_view ciphertext = sealed.substr(kNonceSize);
  SecretBytes opened(ciphertext.size() - kTagSize);
  std::uint8_t none = 0;  // an empty SecretBytes has no buffer to point at
  std::size_t size = 0;
  if (!EVP_AEAD_CTX_open(ctx.get(), opened.empty() ? &none : opened.mutable_data(), &size, opened.size(), Data(sealed),
                         kNonceSize, Data(ciphertext), ciphertext.size(), Data(aad), aad.size()) ||
      size != opened.size()) {
    ERR_clear_error();
    return Deny(v1::DENY_REASON_DECRYPTION_FAILED, "key, context or bytes differ");
  }
  return opened;
}

}  // namespace twi::crypto
