// Who vouches for a TPM's key: certificates of attestation keys (AK) and endorsement keys (EK), TCG EK Credential
// Profile, up to a pinned anchor.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_ENDORSEMENT_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_ENDORSEMENT_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "services/verifier/formats/format.h"

namespace twi::verifier {

struct TpmEndorsement {
  std::vector<crypto::Certificate> path;  // leaf first, anchor last
};

// Verifies that `leaf` (AK or EK certificate) has a path to an anchor of `trust` at `now`. What is checked:
//
// 1. It is no CA (ENDORSEMENT_MISMATCH).
// 2. Every step as crypto::BuildPath lists (ENDORSEMENT_EXPIRED, ENDORSEMENT_CHAIN_INVALID), with `offered` and
//    trust.intermediates as path material only.
// 3. The path ends in an anchor (TRUST_ANCHOR_UNKNOWN): one of trust.anchors, or a certificate at hand whose SHA-256 is
//    in trust.anchor_sha256 (of `offered`, of trust.intermediates, or a built-in root, so that pinning those by hash is
//    enough). Never one of trust.insecure_anchors, which are of development SEV-SNP chains.
// 4. No certificate of the path is on a CRL of `trust` by its issuer (ENDORSEMENT_REVOKED); such a CRL verifies, by an
//    issuer that may sign CRLs (ENDORSEMENT_CHAIN_INVALID), and is in time (ENDORSEMENT_EXPIRED: from nextUpdate on it
//    is not). Without a CRL nothing is known to be revoked.
//
// The caller must still match the key, and demand the usages that it needs (AK: digitalSignature, and what its extended
// key usage says).
absl::StatusOr<TpmEndorsement> VerifyTpmCertificate(const crypto::Certificate& leaf,
                                                    const std::vector<crypto::Certificate>& offered,
                                                    const TrustStore& trust, absl::Time now);

// SHA-256 (32 bytes) of the vendors' real endorsement roots that we pin by default: Google Cloud vTPM's two.
const std::set<std::string>& BuiltinTpmAnchors();
// Their certificates. Bytes only: they are trusted where their hash is in TrustStore::anchor_sha256.
const std::vector<crypto::Certificate>& BuiltinTpmAnchorCertificates();

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_ENDORSEMENT_H_
