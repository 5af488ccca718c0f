// P5: the Key Store's word, over a CSR that it built and signed itself, that the private key never left it and which
// release policy guards it (architecture section 4, D provisioning). JWS ES256, typ twi-csr-counter-signature+jwt, with
// exactly the claims below. Made by the Key Store only; validated by the Credential Authority (P7).
#ifndef TWI_COMMON_COUNTER_SIGNATURE_COUNTER_SIGNATURE_H_
#define TWI_COMMON_COUNTER_SIGNATURE_COUNTER_SIGNATURE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/jose/jwk.h"

namespace twi {

constexpr char kCounterSignatureTyp[] = "twi-csr-counter-signature+jwt";

struct CounterSignature {
  std::string issuer;                 // `iss`: the Key Store's SPIFFE ID
  absl::Time issued_at;               // `iat`, whole seconds; there is no `exp`: the reader decides how old it may be
  std::string jti;                    // at most 64 bytes
  std::string owner;                  // SPIFFE ID of the Workload Owner who provisioned the key
  std::string key_id;                 // the Key Store's name of the key, at most 64 bytes
  std::string csr_sha256;             // 32 bytes, over the DER request
  std::string release_policy_sha256;  // 32 bytes, over the release policy's YAML as given
  std::string target;                 // URI: what the credential is for
};

// INTERNAL when ValidateCounterSignature would not read what was given.
absl::StatusOr<std::string> SignCounterSignature(const CounterSignature& counter_signature,
                                                 const crypto::PrivateKey& key, absl::string_view kid);

struct CounterSignatureExpectation {
  std::string issuer;   // the configured Key Store
  std::string csr_der;  // the request in hand
  std::string owner;    // the caller's SPIFFE ID, from the channel
  absl::Time now;
  absl::Duration max_age = absl::Hours(24);
  absl::Duration max_skew = absl::Seconds(5);
};

// Checks, in this order: the expectation is complete (INTERNAL otherwise), size, typ and signature under a key of
// `keys`, exactly our claims with their types and lengths, iss, owner, that it is over this very CSR, and its age.
// Everything but INTERNAL is COUNTER_SIGNATURE_INVALID. The caller still checks: the CSR's own signature, the grant,
// that `target` is one of its own, and that the CSR was not issued for before.
absl::StatusOr<CounterSignature> ValidateCounterSignature(absl::string_view jws, const jose::JwkSet& keys,
                                                          const CounterSignatureExpectation& expectation);

}  // namespace twi

#endif  // TWI_COMMON_COUNTER_SIGNATURE_COUNTER_SIGNATURE_H_
