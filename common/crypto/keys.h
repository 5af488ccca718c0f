// Asymmetric keys as handles: a PublicKey can verify, a PrivateKey can sign. Signing keys are generated inside
// BoringSSL; the only way to get one out is ToPkcs8, which returns wiped memory.
#ifndef TWI_COMMON_CRYPTO_KEYS_H_
#define TWI_COMMON_CRYPTO_KEYS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/secret/secret_bytes.h"

namespace twi::crypto {

// What we use or meet. kRsaOther: any RSA key of 2048..4096 bits that is not 3072 (vendors' RSA-4096 roots, TPM
// RSA-2048 AKs): verify only.
enum class KeyType { kP256, kP384, kEd25519, kRsa3072, kRsaOther };

// One name per way to sign. ECDSA signatures are DER (ECDSA-Sig-Value) unless the name says Raw (r||s, fixed size, as
// JWS, IEEE P1363).
enum class SignatureAlgorithm {
  kEcdsaP256Sha256,     // DER
  kEcdsaP256Sha256Raw,  // 64 bytes, JWS ES256
  kEcdsaP384Sha384,     // DER
  kEcdsaP384Sha384Raw,  // 96 bytes, JWS ES384
  kEd25519,
  kRsaPkcs1Sha256,
  kRsaPkcs1Sha384,
  kRsaPssSha256,  // salt 32
  kRsaPssSha384,  // salt 48
};

class PublicKey {
 public:
  // Parses a DER SubjectPublicKeyInfo of at most 2 KiB, the whole of it. Checks: known algorithm and curve, point on
  // the curve, RSA modulus 2048..4096 bits with odd exponent. DENY_REASON_KEY_MALFORMED otherwise.
  static absl::StatusOr<PublicKey> FromSpki(absl::string_view der);
  // One PEM "BEGIN PUBLIC KEY" block, at most 8 KiB of text. KEY_MALFORMED.
  static absl::StatusOr<PublicKey> FromPem(absl::string_view pem);
  std::string ToPem() const;
  // Uncompressed point coordinates, 32 bytes each (JWK) or 48.
  static absl::StatusOr<PublicKey> FromEcPoint(KeyType type, absl::string_view x, absl::string_view y);
  static absl::StatusOr<PublicKey> FromRsa(absl::string_view modulus_be, absl::string_view exponent_be);
  static absl::StatusOr<PublicKey> FromEd25519(absl::string_view raw32);

  KeyType type() const;
  int bits() const;                        // 256, 384, 255, or the RSA modulus' size.
  const std::string& spki() const;         // DER, canonical.
  const std::string& spki_sha256() const;  // 32 bytes, over spki(): the identity of a key everywhere in TWI.
  std::string ec_x() const;                // Fixed size; empty for others.
  std::string ec_y() const;
  std::string ed25519_raw() const;
  std::string rsa_modulus() const;  // Big endian, no leading zero.
  std::string rsa_exponent() const;

  // OK only when `signature` over `message` is valid under this key by `algorithm`. DENY_REASON_SIGNATURE_INVALID
  // otherwise, also for an algorithm that does not fit the key type.
  absl::Status Verify(SignatureAlgorithm algorithm, absl::string_view message, absl::string_view signature) const;

  friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.spki() == b.spki(); }
  friend bool operator!=(const PublicKey& a, const PublicKey& b) { return !(a == b); }

  struct Impl;
  const Impl& impl() const { return *impl_; }  // common/crypto only
  explicit PublicKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;  // Immutable, so copies share it; thread-safe.
};

class PrivateKey {
 public:
  // kP256, kP384, kEd25519, kRsa3072. Others: INVALID_ARGUMENT.
  static absl::StatusOr<PrivateKey> Generate(KeyType type);
  // PKCS#8 (RFC 5208), DER, unencrypted, the whole of it. Checks that public and private halves match.
  static absl::StatusOr<PrivateKey> FromPkcs8(const SecretBytes& der);
  static absl::StatusOr<PrivateKey> FromPem(
      const SecretBytes& pem);  // "BEGIN PRIVATE KEY" (PKCS#8) or "BEGIN EC PRIVATE KEY".

  const PublicKey& public_key() const;
  KeyType type() const;
  // The way this key type signs by default: ES256 -> kEcdsaP256Sha256 etc. RSA: kRsaPkcs1Sha256.
  SignatureAlgorithm default_algorithm() const;
  // Thread-safe.
  absl::StatusOr<std::string> Sign(SignatureAlgorithm algorithm, absl::string_view message) const;
  // Exports the private key: for sealing at rest, release by the Key Store, and handing the workload its own key.
  SecretBytes ToPkcs8() const;
  SecretBytes ToPem() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }  // common/crypto only
  explicit PrivateKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_KEYS_H_
