// Who vouches for a TPM's key: certificates of attestation keys (AK) and endorsement keys (EK), TCG EK Credential Profile, up to a pinned anchor.
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
  bool insecure = false;                  // the anchor is one of TrustStore::insecure_anchors
};

// Verifies that `leaf` (AK or EK certificate) has a path to an anchor of `trust` at `now`. What is checked: it is no CA; every step as crypto::BuildPath lists;
// no certificate of the path is on a CRL of `trust` by its issuer, and such a CRL verifies and is in time. `offered` and trust.intermediates are only path material.
// Anchors: trust.anchors, and each certificate at hand whose SHA-256 is in trust.anchor_sha256: of `offered`, of trust.intermediates, or one of the built-in
// roots (so that pinning those by hash is enough); then trust.insecure_anchors.
// The caller must still match the key, and demand the key usage that it needs (AK: digitalSignature).
// ENDORSEMENT_MISMATCH, ENDORSEMENT_EXPIRED, ENDORSEMENT_CHAIN_INVALID, ENDORSEMENT_REVOKED, TRUST_ANCHOR_UNKNOWN.
absl::StatusOr<TpmEndorsement> VerifyTpmCertificate(const crypto::Certificate& leaf, const std::vector<crypto::Certificate>& offered, const TrustStore& trust,
                                                    absl::Time now);

// SHA-256 (32 bytes) of the vendors' real endorsement roots that we pin by default: Google Cloud vTPM's two.
const std::set<std::string>& BuiltinTpmAnchors();
// Their certificates. Bytes only: they are trusted where their hash is in TrustStore::anchor_sha256.
const std::vector<crypto::Certificate>& BuiltinTpmAnchorCertificates();

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_ENDORSEMENT_H_
