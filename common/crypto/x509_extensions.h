// Extensions of certificates and CRLs (RFC 5280 4.2). Inside common/crypto only.
#ifndef TWI_COMMON_CRYPTO_X509_EXTENSIONS_H_
#define TWI_COMMON_CRYPTO_X509_EXTENSIONS_H_

#include <vector>

#include "absl/status/status.h"
#include "common/crypto/der.h"
#include "common/crypto/x509.h"

namespace twi::crypto {

constexpr char kOidKeyUsage[] = "2.5.29.15";
constexpr char kOidSubjectAltName[] = "2.5.29.17";
constexpr char kOidBasicConstraints[] = "2.5.29.19";
constexpr char kOidNameConstraints[] = "2.5.29.30";
constexpr char kOidCertificatePolicies[] = "2.5.29.32";
constexpr char kOidExtendedKeyUsage[] = "2.5.29.37";

// `in` is the content of an Extensions SEQUENCE: at least one extension, at most 64, no OID twice.
bool ParseExtensions(CBS in, std::vector<Extension>* out);

// Fills is_ca, path_len, key_usage, extended_key_usage and the SANs from cert.extensions. CERTIFICATE_MALFORMED.
absl::Status ReadKnownExtensions(Certificate* cert);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_X509_EXTENSIONS_H_
