// The attestation key (AK) of a quote: is it one, and does anybody vouch for it. Steps 1 and 5 of VerifyTpm (tpm.h
// lists what is checked).
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_ATTESTATION_KEY_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_ATTESTATION_KEY_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {

struct AttestationKey {
  std::optional<TpmPublic> area;         // absent: a bare SubjectPublicKeyInfo, or not parsed
  std::optional<crypto::PublicKey> key;  // absent: a finding says why
};

// Step 1. `bytes`: TPMT_PUBLIC, TPM2B_PUBLIC, or a bare SubjectPublicKeyInfo. What is wrong goes to `result`.
AttestationKey ReadAttestationKey(const std::string& bytes, EvidenceResult* result);

// Step 5. Nothing for a key that step 1 could not read.
void CheckEndorsement(const v1::TpmEvidence& evidence, const AttestationKey& ak, const TrustStore& trust,
                      absl::Time now, EvidenceResult* result);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_ATTESTATION_KEY_H_
