// The path of a VCEK or VLEK certificate to a pinned ARK: names, signatures, constraints, validity, revocation.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_PATH_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_PATH_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "services/verifier/formats/format.h"

namespace twi::verifier {

struct SnpPath {
  std::vector<Finding> findings;          // empty: the path holds
  std::vector<crypto::Certificate> path;  // leaf first, anchor last; empty when none was found
  bool insecure = false;                  // ends in one of TrustStore.insecure_anchors
  absl::Time not_before, not_after;       // the span in which certificates and CRLs of this path are all in time
};

// Builds leaf -> ... -> anchor. Issuers come from `offered` (came with the Evidence), trust.intermediates and AMD's
// built-in roots; none is trusted for being there: the anchor must be one of trust.anchors, have its SHA-256 in
// trust.anchor_sha256, or (then `insecure`) be one of trust.insecure_anchors. Each CRL in trust.crls whose issuer is on
// the path must be signed by it, which may sign CRLs, and in time (before nextUpdate), and must not list the
// certificate below. Findings: ENDORSEMENT_MISSING (no issuer at hand), ENDORSEMENT_CHAIN_INVALID, ENDORSEMENT_EXPIRED,
// ENDORSEMENT_REVOKED, TRUST_ANCHOR_UNKNOWN (whole, but its root is not pinned). `claim` names the leaf in findings:
// "vcek".
SnpPath VerifySnpPath(const crypto::Certificate& leaf, const std::vector<crypto::Certificate>& offered,
                      const TrustStore& trust, absl::Time now, const std::string& claim);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_PATH_H_
