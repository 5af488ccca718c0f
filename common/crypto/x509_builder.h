// Builds and signs X.509 certificates with CBB (RFC 5280). What goes in is decided by the caller's profile; required
// fields are required arguments.
#ifndef TWI_COMMON_CRYPTO_X509_BUILDER_H_
#define TWI_COMMON_CRYPTO_X509_BUILDER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"

namespace twi::crypto {

struct CertificateTemplate {
  std::string serial;       // 1..20 octets, big endian, positive, not zero
  std::string issuer_der;   // Name DER (NameFromCommonName, or the issuer certificate's subject_der)
  std::string subject_der;  // may be the empty Name: then the SAN extension is critical
  absl::Time not_before;
  absl::Time not_after;
  std::string subject_spki;  // DER
  bool is_ca = false;        // basicConstraints is always written, critical
  std::optional<int> path_len;
  std::uint16_t key_usage = 0;                  // required, written critical; kKeyUsage* below
  std::vector<std::string> extended_key_usage;  // dotted OIDs
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
  std::string subject_key_id;         // 20 bytes; derived from subject_spki when empty
  std::string authority_key_id;       // left out when empty
  std::vector<Extension> extensions;  // further ones
};

constexpr std::uint16_t kKeyUsageDigitalSignature = 1 << 0;
constexpr std::uint16_t kKeyUsageKeyEncipherment = 1 << 2;
constexpr std::uint16_t kKeyUsageKeyCertSign = 1 << 5;
constexpr std::uint16_t kKeyUsageCrlSign = 1 << 6;
constexpr char kEkuServerAuth[] = "1.3.6.1.5.5.7.3.1";
constexpr char kEkuClientAuth[] = "1.3.6.1.5.5.7.3.2";

std::string NameFromCommonName(absl::string_view cn);  // one RDN, UTF8String
std::string EmptyName();
std::string SubjectKeyId(absl::string_view spki);  // RFC 7093 method 1: leftmost 160 bits of SHA-256 of the key bits

// Signs with the key's default algorithm (or RSA-PSS SHA-384 salt 48 for `rsa_pss`, as AMD's chains are). Returns DER.
absl::StatusOr<std::string> SignCertificate(const CertificateTemplate& cert, const PrivateKey& issuer_key,
                                            bool rsa_pss = false);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_X509_BUILDER_H_
