// AMD's real root certificates (ARK), the default pins. One ARK per product signs both ASK (VCEK) and ASVK (VLEK).
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_ANCHORS_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_ANCHORS_H_

#include <set>
#include <string>
#include <vector>

#include "common/crypto/x509.h"

namespace twi::verifier {

// SHA-256 (32 bytes) of ARK-Milan, ARK-Genoa (also Siena, Bergamo) and ARK-Turin.
const std::set<std::string>& BuiltinSnpAnchors();

// Their certificates, so that a pin by SHA-256 finds its certificate when nobody brought it along. Being in this list
// is not trust: a path ends in one only when TrustStore pins its SHA-256 or the certificate.
const std::vector<crypto::Certificate>& BuiltinSnpAnchorCertificates();

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_ANCHORS_H_
