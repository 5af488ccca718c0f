// HPKE (RFC 9180), one suite: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; base mode (the sender signs the
// container, architecture D7).
#ifndef TWI_COMMON_CRYPTO_HPKE_H_
#define TWI_COMMON_CRYPTO_HPKE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"

namespace twi::crypto {

struct HpkeSealed {
  std::string enc;         // 32 bytes, the encapsulated key
  std::string ciphertext;  // plaintext + 16 bytes tag
};

// `recipient_spki`: DER SubjectPublicKeyInfo of an X25519 key (RFC 8410, 44 bytes). DENY_REASON_KEY_MALFORMED for
// anything else.
absl::StatusOr<HpkeSealed> HpkeSeal(absl::string_view recipient_spki, absl::string_view info, absl::string_view aad,
                                    absl::string_view plaintext);

class HpkePrivateKey {
 public:
  static absl::StatusOr<HpkePrivateKey> Generate();
  static absl::StatusOr<HpkePrivateKey> FromRaw(const SecretBytes& raw32);
  const std::string& spki() const { return spki_; }  // 44 bytes DER
  const SecretBytes& raw() const { return raw_; }
  // DENY_REASON_DECRYPTION_FAILED when anything (key, info, aad, bytes) differs.
  absl::StatusOr<SecretBytes> Open(const HpkeSealed& sealed, absl::string_view info, absl::string_view aad) const;

 private:
  HpkePrivateKey(SecretBytes raw, std::string spki) : raw_(std::move(raw)), spki_(std::move(spki)) {}
  SecretBytes raw_;
  std::string spki_;
};

// OK when `spki` is exactly an X25519 SubjectPublicKeyInfo.
absl::Status CheckHpkePublicKey(absl::string_view spki);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_HPKE_H_
