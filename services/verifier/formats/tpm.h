// TPM 2.0 quotes (TCG TPM 2.0 Library, Part 2: Structures), and TCG crypto-agile event logs.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/formats/tpm_endorsement.h"

namespace twi::verifier {

struct TpmOptions {
  // A quote without any PCR value passes step 3: its signed pcrDigest stands for them, claims have no `pcrs`. For files
  // that never carry values (enacttrust's token) in an offline appraisal; never for Evidence from the wire, where
  // evidence.proto requires them.
  bool allow_digest_only = false;
};

// Verifies that `evidence` is a genuine quote. Every finding is collected where going on makes sense. What is checked,
// in this order:
//
// 1. AK public area: restricted, sign, not decrypt, fixedTPM (EVIDENCE_WRONG_TYPE); RSA 2048+ (RSASSA/RSAPSS) or ECC
//    P-256/P-384 (ECDSA), scheme hash SHA-256 or SHA-384. A bare SubjectPublicKeyInfo (DER) in place of the public area
//    can show none of this: only one enrolled by hash (step 5) passes.
// 2. Quote: magic, type, lengths, no trailing bytes; signature algorithm and hash equal the AK's scheme; signature over
//    the very bytes.
// 3. PCR values: exactly the selection, which is not empty, each of the bank's size; the digest over them (in selection
//    order, with the scheme's hash, whatever the bank) equals pcrDigest.
// 4. Event log, when given: parses, bounded, and for every quoted bank each quoted PCR that it extends replays to the
//    value (EVENT_LOG_MISMATCH).
// 5. AK endorsed: enrolled by its public area, which then must be equal in every byte (ENDORSEMENT_MISMATCH); or
//    enrolled by its key alone; or an AK certificate for this very key (not a CA's, digitalSignature) with a path as
//    VerifyTpmCertificate checks it. The latter two vouch for the key, not for what the public area says beside it:
//    then unchecked are nameAlg, authPolicy, the symmetric definition, the ECC kdf, and of objectAttributes all bits
//    but the four of step 1 (fixedParent, stClear, sensitiveDataOrigin, userWithAuth, adminWithPolicy, noDA,
//    encryptedDuplication). Nobody has signed them. Enrol by public area where they matter.
//
// ATTESTATION_KEY_NOT_ENDORSED: there is no certificate for the key at all. It is collected last; when it is the only
// finding, the quote is what it says, under a key that nobody vouches for. A certificate that fails is a finding with a
// reason of its own. WEAK_ALGORITHM never stands alone: what was not verified for it is EVIDENCE_SIGNATURE_INVALID too.
//
// claims.freshness is extraData, of any length. claims.measurement_key is set for exactly one quoted bank:
// "tpm2:<bank>:<indexes>:<hex SHA-256 over the values>".
//
// Not checked here: which PCRs must be quoted, of which bank, and their values: policy (appraise_evidence). Nor the
// binding of extraData.
EvidenceResult VerifyTpm(const v1::TpmEvidence& evidence, const TrustStore& trust, absl::Time now,
                         const TpmOptions& options = {});

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_H_
