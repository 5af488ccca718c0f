// D7, D8: a Credential Key sealed by HPKE to the attested encryption key, and signed by the Key Store so that the agent
// knows who sealed it. JWS ES256, typ twi-sealed-key+jwt.
//   info = "twi/v1/sealed-key"; aad = len32-prefixed rp_id, target, nonce, key_id, SHA-256 of the Attestation Results
//   JWS.
#ifndef TWI_COMMON_SEALED_KEY_SEALED_KEY_H_
#define TWI_COMMON_SEALED_KEY_SEALED_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/hpke.h"
#include "common/crypto/keys.h"
#include "common/jose/jws.h"
#include "common/secret/secret_bytes.h"

namespace twi {

// What the sealed key is bound to: equal on both sides or it does not open.
struct SealedKeyContext {
  std::string rp_id, target, nonce, key_id;
  std::string results_sha256;  // 32 bytes
};

constexpr char kSealedKeyTyp[] = "twi-sealed-key+jwt";

// `recipient_spki`: the encryption key that the Attestation Results name. `pkcs8`: the Credential Key.
absl::StatusOr<std::string> SealKey(const SealedKeyContext& context, absl::string_view recipient_spki,
                                    const SecretBytes& pkcs8, absl::string_view issuer, absl::string_view jti,
                                    absl::Time now, const crypto::PrivateKey& signing_key, absl::string_view kid);

// Checks the signature first (SEALED_KEY_WRONG_SIGNER), then issuer, the context member by member, then opens
// (SEALED_KEY_INVALID). Returns PKCS#8.
absl::StatusOr<SecretBytes> OpenSealedKey(absl::string_view jws, const jose::JwkSet& key_store_keys,
                                          absl::string_view issuer, const SealedKeyContext& context,
                                          const crypto::HpkePrivateKey& recipient);

}  // namespace twi

#endif  // TWI_COMMON_SEALED_KEY_SEALED_KEY_H_
