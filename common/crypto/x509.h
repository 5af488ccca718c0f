// X.509 certificates (RFC 5280): parse, verify one signature, build a path to a pinned anchor. Issuing profiles are the
// Credential Authority's.
#ifndef TWI_COMMON_CRYPTO_X509_H_
#define TWI_COMMON_CRYPTO_X509_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"

namespace twi::crypto {

struct Extension {
  std::string oid;  // dotted
  bool critical = false;
  std::string value;  // the bytes inside the extnValue OCTET STRING
};

// A parsed certificate: values, immutable. Parsing does not verify anything.
struct Certificate {
  std::string der;
  std::string tbs;         // the signed range
  std::string serial;      // INTEGER content octets, as in the DER
  std::string issuer_der;  // Name, DER
  std::string subject_der;
  std::string subject_common_name;  // last CN, empty when there is none
  std::string issuer_common_name;
  absl::Time not_before;
  absl::Time not_after;
  PublicKey public_key;
  std::string signature_algorithm_der;  // AlgorithmIdentifier, DER; equal inside and outside (checked)
  std::string signature;
  bool is_ca = false;  // basicConstraints cA
  std::optional<int> path_len;
  std::optional<std::uint16_t> key_usage;  // bit 0 = digitalSignature ... as in RFC 5280 4.2.1.3; unset when absent
  std::vector<std::string> extended_key_usage;  // OIDs
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
  int other_sans = 0;
  std::vector<Extension> extensions;  // all of them, in order; a duplicate OID is refused by the parser
  const Extension* Find(absl::string_view oid) const;
  std::string sha256() const;  // of der
};

// One whole DER certificate of at most 16 KiB, or CERTIFICATE_MALFORMED.
absl::StatusOr<Certificate> ParseCertificate(absl::string_view der);
// DER, or any number of PEM CERTIFICATE blocks (at most 16), in order. Text between PEM blocks is ignored.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(absl::string_view pem_or_der);
std::string CertificateToPem(absl::string_view der);

// OK when `issuer`'s key signed `cert`: ECDSA (SHA-256/384), RSA PKCS#1 (SHA-256/384/512), RSASSA-PSS (SHA-256/384,
// salt = hash size, explicit parameters), Ed25519. SHA-1 is refused. CERTIFICATE_SIGNATURE_INVALID.
absl::Status VerifyCertificateSignature(const Certificate& cert, const PublicKey& issuer_key);

struct PathOptions {
  absl::Time now;
  std::size_t max_depth = 6;                       // certificates in the path, anchor included
  std::vector<std::string> handled_critical_oids;  // further critical extensions that the caller handles itself
};

// Builds leaf -> ... -> anchor from `intermediates` (any order), by issuer/subject name and signature, and checks at
// every step: validity at `now` (also the anchor's), basicConstraints cA and pathLen, keyCertSign when keyUsage is
// present, no unknown critical extension, no duplicate in the path. Returns the path, leaf first, anchor last. The path
// starts at a leaf that is itself an anchor (same DER) with a path of one. An anchor need not be self-signed. Name
// constraints are not implemented: a certificate that has them is refused. ENDORSEMENT_EXPIRED /
// ENDORSEMENT_CHAIN_INVALID / TRUST_ANCHOR_UNKNOWN.
absl::StatusOr<std::vector<Certificate>> BuildPath(const Certificate& leaf,
                                                   const std::vector<Certificate>& intermediates,
                                                   const std::vector<Certificate>& anchors, const PathOptions& options);

// CRL (RFC 5280 5): serials revoked by the issuer whose key verifies it. Complete CRLs only: one with an unknown
// critical extension (delta, indirect, partial) is refused. ENDORSEMENT_MALFORMED.
struct Crl {
  std::string issuer_der;
  absl::Time this_update;
  absl::Time next_update;                    // InfiniteFuture when absent
  std::vector<std::string> revoked_serials;  // content octets
  std::string tbs, signature_algorithm_der, signature;
};
absl::StatusOr<Crl> ParseCrl(absl::string_view der);  // DER or one PEM block, at most 1 MiB
// As VerifyCertificateSignature, for a CRL. The caller compares names, times, and cRLSign of the issuer's key usage.
absl::Status VerifyCrlSignature(const Crl& crl, const PublicKey& issuer_key);

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_X509_H_
