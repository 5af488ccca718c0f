#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/keys_impl.h"
#include "common/crypto/pem.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_extensions.h"
#include "common/crypto/x509_time.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kMaxCertificate = 16 * 1024;
constexpr std::size_t kMaxCertificates = 16;
constexpr std::size_t kMaxPem = kMaxCertificates * 32 * 1024;
constexpr std::size_t kMaxSerial = 21;  // 20 octets (RFC 5280 4.1.2.2) and the leading zero that Intel's need
constexpr unsigned kVersionTag = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr unsigned kIssuerUidTag = CBS_ASN1_CONTEXT_SPECIFIC | 1;
constexpr unsigned kSubjectUidTag = CBS_ASN1_CONTEXT_SPECIFIC | 2;
constexpr unsigned kExtensionsTag = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3;

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED, detail); }

// Version ::= INTEGER { v1(0), v2(1), v3(2) } DEFAULT v1: 0 when absent; false for anything else, also for a
// written-out v1.
bool GetVersion(CBS* tbs, std::uint64_t* version) {
  CBS wrapper;
  int present = 0;
  *version = 0;
  if (!CBS_get_optional_asn1(tbs, &wrapper, &present, kVersionTag)) return false;
  if (!present) return true;
  return CBS_get_asn1_uint64(&wrapper, version) && CBS_len(&wrapper) == 0 && (*version == 1 || *version == 2);
}

// Any INTEGER of at most 21 octets, negative and zero too: issuers differ, and a serial is only compared.
bool GetSerial(CBS* in, std::string* serial) {
  CBS content;
  int is_negative = 0;
  if (!CBS_get_asn1(in, &content, CBS_ASN1_INTEGER) || !CBS_is_valid_asn1_integer(&content, &is_negative) ||
      CBS_len(&content) > kMaxSerial) {
    return false;
  }
  *serial = Str(content);
  return true;
}

// What follows subjectPublicKeyInfo: unique identifiers (v2, v3; skipped) and extensions (v3).
absl::Status GetTail(CBS* tbs, std::uint64_t version, Certificate* cert) {
  for (const unsigned tag : {kIssuerUidTag, kSubjectUidTag}) {
    CBS uid;
    int present = 0;
    if (!CBS_get_optional_asn1(tbs, &uid, &present, tag)) return Malformed("unique identifier does not parse");
    if (present && (version < 1 || !CBS_is_valid_asn1_bitstring(&uid)))
      return Malformed("unique identifier is not allowed or not a BIT STRING");
  }
  CBS wrapper, extensions;
  int present = 0;
  if (!CBS_get_optional_asn1(tbs, &wrapper, &present, kExtensionsTag) || CBS_len(tbs) != 0)
    return Malformed("bytes behind the last field");
  if (!present) return absl::OkStatus();
  if (version != 2) return Malformed("extensions in a certificate that is not version 3");
  if (!CBS_get_asn1(&wrapper, &extensions, CBS_ASN1_SEQUENCE) || CBS_len(&wrapper) != 0 ||
      !ParseExtensions(extensions, &cert->extensions)) {
    return Malformed("extensions do not parse, or one is there twice");
  }
  return ReadKnownExtensions(cert);
}

absl::Status ParseTbs(CBS tbs, absl::string_view outer_algorithm, Certificate* cert) {
  std::uint64_t version = 0;
  CBS algorithm, issuer, validity, subject, spki;
  if (!GetVersion(&tbs, &version)) return Malformed("version");
  if (!GetSerial(&tbs, &cert->serial)) return Malformed("serial number");
  if (!CBS_get_asn1_element(&tbs, &algorithm, CBS_ASN1_SEQUENCE)) return Malformed("signature algorithm");
  if (View(algorithm) != outer_algorithm) return Malformed("signature algorithms inside and outside differ");
  if (!GetName(&tbs, &issuer, &cert->issuer_common_name)) return Malformed("issuer name");
  if (!CBS_get_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE) || !GetTime(&validity, &cert->not_before) ||
      !GetTime(&validity, &cert->not_after) || CBS_len(&validity) != 0) {
    return Malformed("validity");
  }
  if (!GetName(&tbs, &subject, &cert->subject_common_name)) return Malformed("subject name");
  if (!CBS_get_asn1_element(&tbs, &spki, CBS_ASN1_SEQUENCE)) return Malformed("public key");
  cert->issuer_der = Str(issuer);
  cert->subject_der = Str(subject);
  absl::StatusOr<PublicKey> key = PublicKey::FromSpki(View(spki));
  if (!key.ok()) return Malformed(key.status().message());
  cert->public_key = *std::move(key);
  return GetTail(&tbs, version, cert);
}

}  // namespace

const Extension* Certificate::Find(absl::string_view oid) const {
  for (const Extension& e : extensions) {
    if (e.oid == oid) return &e;
  }
  return nullptr;
}

std::string Certificate::sha256() const { return Sha256(der); }

absl::StatusOr<Certificate> ParseCertificate(absl::string_view der) {
  if (der.size() > kMaxCertificate) return Malformed("certificate over 16 KiB");
  std::optional<CBS> outer = WholeElement(der, CBS_ASN1_SEQUENCE);
  CBS tbs, algorithm, signature, content;
  if (!outer || !CBS_get_asn1_element(&*outer, &tbs, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&*outer, &algorithm, CBS_ASN1_SEQUENCE) || !GetBitString(&*outer, &signature) ||
      CBS_len(&*outer) != 0) {
    return Malformed("not one whole DER certificate");
  }
  CBS tbs_in = tbs;
  if (!CBS_get_asn1(&tbs_in, &content, CBS_ASN1_SEQUENCE)) return Malformed("not one whole DER certificate");
  Certificate cert{std::string(der),  Str(tbs), "", "", "", "", "", {}, {},
                   PublicKey(nullptr)};  // the key is set by ParseTbs, or nothing is returned
  cert.signature_algorithm_der = Str(algorithm);
  cert.signature = Str(signature);
  TWI_RETURN_IF_ERROR(ParseTbs(content, View(algorithm), &cert));
  return cert;
}

absl::StatusOr<std::vector<Certificate>> ParseCertificates(absl::string_view pem_or_der) {
  if (pem_or_der.size() > kMaxPem) return Malformed("certificates over 512 KiB");
  std::vector<Certificate> certificates;
  if (!pem_or_der.empty() &&
      pem_or_der[0] == 0x30) {  // SEQUENCE: PEM starts with '-' or text; '0' as text is refused as DER
    TWI_ASSIGN_OR_RETURN(Certificate cert, ParseCertificate(pem_or_der));
    certificates.push_back(std::move(cert));
    return certificates;
  }
  std::size_t pos = 0;
  bool malformed = false;
  while (std::optional<absl::string_view> body = NextPemBody(pem_or_der, "CERTIFICATE", &pos, &malformed)) {
    const std::optional<SecretBytes> der = DecodePemBody(*body);
    if (!der) return Malformed("PEM body is not base64");
    if (certificates.size() == kMaxCertificates) return Malformed("more than 16 certificates");
    TWI_ASSIGN_OR_RETURN(Certificate cert, ParseCertificate(der->reveal()));
    certificates.push_back(std::move(cert));
  }
  if (malformed) return Malformed("PEM block without END line");
  if (certificates.empty()) return Malformed("no certificate");
  return certificates;
}

std::string CertificateToPem(absl::string_view der) { return std::string(EncodePem("CERTIFICATE", der).reveal()); }

absl::Status VerifyCertificateSignature(const Certificate& cert, const PublicKey& issuer_key) {
  const std::optional<SignatureScheme> scheme = ParseSignatureScheme(cert.signature_algorithm_der);
  if (!scheme)
    return Deny(v1::DENY_REASON_CERTIFICATE_SIGNATURE_INVALID, "signature algorithm is not known or too weak");
  if (VerifyWithScheme(issuer_key.impl(), *scheme, cert.tbs, cert.signature)) return absl::OkStatus();
  return Deny(v1::DENY_REASON_CERTIFICATE_SIGNATURE_INVALID,
              absl::StrCat("certificate \"", cert.subject_common_name, "\" is not signed by the issuer's key"));
}

}  // namespace twi::crypto
