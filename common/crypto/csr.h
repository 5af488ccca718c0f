// PKCS#10 certification requests (RFC 2986): the Credential Request's Proof-of-Possession.
#ifndef TWI_COMMON_CRYPTO_CSR_H_
#define TWI_COMMON_CRYPTO_CSR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/keys.h"

namespace twi::crypto {

// A CSR with an empty subject and no attributes (the identity comes from the grant, never from the request), signed by
// `key`.
absl::StatusOr<std::string> MakeCsr(const PrivateKey& key);

struct Csr {
  std::string der;  // as given
  PublicKey public_key;
};

// Checks, in this order: at most 4 KiB and one whole DER SEQUENCE; version 0; a public key that PublicKey::FromSpki
// takes and of a type that may become a Credential Key (P-256, P-384, Ed25519, RSA-3072); a signature algorithm that
// fits it; the self-signature (PoP). Subject and attributes are not used, but must parse. CSR_MALFORMED,
// CSR_KEY_NOT_ALLOWED, CSR_SIGNATURE_INVALID.
absl::StatusOr<Csr> ParseAndVerifyCsr(absl::string_view der);

// The same without the self-signature, for the Verifier, which only names the key that the Evidence is bound to: no
// credential comes of it without ParseAndVerifyCsr.
absl::StatusOr<Csr> ParseCsr(absl::string_view der);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_CSR_H_
