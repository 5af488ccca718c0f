// What stands behind PublicKey and PrivateKey, and the ways to verify that X.509 knows beyond SignatureAlgorithm.
// Inside common/crypto only.
#ifndef TWI_COMMON_CRYPTO_KEYS_IMPL_H_
#define TWI_COMMON_CRYPTO_KEYS_IMPL_H_

#include <optional>
#include <string>

#include "common/crypto/hash.h"
#include "common/crypto/keys.h"
#include "openssl/ec_key.h"
#include "openssl/rsa.h"

namespace twi::crypto {

struct PublicKey::Impl {
  KeyType type;
  int bits = 0;
  std::string spki;
  std::string spki_sha256;
  bssl::UniquePtr<EC_KEY> ec;  // P-256, P-384
  bssl::UniquePtr<RSA> rsa;    // Ed25519 is the last 32 bytes of spki
};

struct PrivateKey::Impl {
  PublicKey public_key;
  bssl::UniquePtr<EC_KEY> ec;
  bssl::UniquePtr<RSA> rsa;
  SecretBytes ed25519;  // 64 bytes: seed || public key
};

// How an AlgorithmIdentifier in a certificate, CRL or CSR says it was signed. ECDSA here goes with either curve and is
// DER.
struct SignatureScheme {
  enum class Kind {
    kEcdsa,
    kEd25519,
    kRsaPkcs1,
    kRsaPss
  };  // kRsaPss: MGF1 with the same hash, salt as long as the hash
  Kind kind;
  HashAlgorithm hash;  // not used by Ed25519
};

// nullopt for unknown algorithms, SHA-1, and RSASSA-PSS with other parameters than above (RFC 4055 3.1).
std::optional<SignatureScheme> ParseSignatureScheme(absl::string_view algorithm_identifier_der);

// True only when `signature` over `message` is valid; false for a scheme that does not fit the key. Clears BoringSSL's
// error queue.
bool VerifyWithScheme(const PublicKey::Impl& key, const SignatureScheme& scheme, absl::string_view message,
                      absl::string_view signature);

// The DER AlgorithmIdentifier that goes with `algorithm` (the Raw ones have none: empty).
absl::string_view AlgorithmIdentifierFor(SignatureAlgorithm algorithm);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_KEYS_IMPL_H_
