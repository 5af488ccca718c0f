#include <utility>

#include "common/crypto/der.h"
#include "common/crypto/keys_impl.h"
#include "common/crypto/pem.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_extensions.h"
#include "common/crypto/x509_time.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kMaxCrl = 1024 * 1024;
constexpr std::size_t kMaxSerial = 21;
constexpr unsigned kExtensionsTag = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, detail); }

bool IsTime(const CBS& in) {
  return CBS_peek_asn1_tag(&in, CBS_ASN1_UTCTIME) || CBS_peek_asn1_tag(&in, CBS_ASN1_GENERALIZEDTIME);
}

// Critical ones would change what the list means (delta, indirect, partial: RFC 5280 5.2, 5.3); none is implemented.
bool ExtensionsFine(const CBS& content) {
  std::vector<Extension> extensions;
  if (!ParseExtensions(content, &extensions)) return false;
  for (const Extension& e : extensions) {
    if (e.critical) return false;
  }
  return true;
}

// revokedCertificates entry: SEQUENCE { userCertificate INTEGER, revocationDate Time, crlEntryExtensions OPTIONAL }.
bool GetEntry(CBS* list, std::string* serial) {
  CBS entry, number, extensions;
  int is_negative = 0;
  absl::Time date;
  if (!CBS_get_asn1(list, &entry, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&entry, &number, CBS_ASN1_INTEGER) ||
      !CBS_is_valid_asn1_integer(&number, &is_negative) || CBS_len(&number) > kMaxSerial || !GetTime(&entry, &date)) {
    return false;
  }
  *serial = Str(number);
  if (CBS_len(&entry) == 0) return true;
  return CBS_get_asn1(&entry, &extensions, CBS_ASN1_SEQUENCE) && CBS_len(&entry) == 0 && ExtensionsFine(extensions);
}

absl::Status ParseTbs(CBS tbs, absl::string_view outer_algorithm, Crl* crl) {
  std::uint64_t version = 0;
  CBS algorithm, issuer, list, wrapper, extensions;
  int present = 0;
  std::string common_name;
  if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_INTEGER) && (!CBS_get_asn1_uint64(&tbs, &version) || version != 1))
    return Malformed("CRL version");
  if (!CBS_get_asn1_element(&tbs, &algorithm, CBS_ASN1_SEQUENCE) || View(algorithm) != outer_algorithm) {
    return Malformed("CRL signature algorithms inside and outside differ");
  }
  if (!GetName(&tbs, &issuer, &common_name)) return Malformed("CRL issuer");
  crl->issuer_der = Str(issuer);
  if (!GetTime(&tbs, &crl->this_update)) return Malformed("CRL thisUpdate");
  crl->next_update = absl::InfiniteFuture();
  if (IsTime(tbs) && !GetTime(&tbs, &crl->next_update)) return Malformed("CRL nextUpdate");
  if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_SEQUENCE)) {
    if (!CBS_get_asn1(&tbs, &list, CBS_ASN1_SEQUENCE)) return Malformed("CRL entries");
    while (CBS_len(&list) > 0) {
      std::string serial;
      if (!GetEntry(&list, &serial)) return Malformed("CRL entry");
      crl->revoked_serials.push_back(std::move(serial));
    }
  }
  if (!CBS_get_optional_asn1(&tbs, &wrapper, &present, kExtensionsTag) || CBS_len(&tbs) != 0)
    return Malformed("bytes behind the CRL's last field");
  if (present && (version != 1 || !CBS_get_asn1(&wrapper, &extensions, CBS_ASN1_SEQUENCE) || CBS_len(&wrapper) != 0 ||
                  !ExtensionsFine(extensions))) {
    return Malformed("CRL extensions do not parse, or one is critical (delta and partial CRLs are not supported)");
  }
  return absl::OkStatus();
}

absl::StatusOr<Crl> ParseDer(absl::string_view der) {
  std::optional<CBS> outer = WholeElement(der, CBS_ASN1_SEQUENCE);
  CBS tbs, algorithm, signature, content;
  if (!outer || !CBS_get_asn1_element(&*outer, &tbs, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&*outer, &algorithm, CBS_ASN1_SEQUENCE) || !GetBitString(&*outer, &signature) ||
      CBS_len(&*outer) != 0) {
    return Malformed("not one whole DER CRL");
  }
  CBS tbs_in = tbs;
  if (!CBS_get_asn1(&tbs_in, &content, CBS_ASN1_SEQUENCE)) return Malformed("not one whole DER CRL");
  Crl crl;
  crl.tbs = Str(tbs);
  crl.signature_algorithm_der = Str(algorithm);
  crl.signature = Str(signature);
  TWI_RETURN_IF_ERROR(ParseTbs(content, View(algorithm), &crl));
  return crl;
}

}  // namespace

absl::StatusOr<Crl> ParseCrl(absl::string_view bytes) {
  if (bytes.size() > kMaxCrl) return Malformed("CRL over 1 MiB");
  if (!bytes.empty() && bytes[0] == 0x30) return ParseDer(bytes);
  std::size_t pos = 0;
  bool malformed = false;
  const std::optional<absl::string_view> body = NextPemBody(bytes, "X509 CRL", &pos, &malformed);
  if (!body) return Malformed("no CRL");
  const std::optional<SecretBytes> der = DecodePemBody(*body);
  if (!der) return Malformed("PEM body is not base64");
  if (NextPemBody(bytes, "X509 CRL", &pos, &malformed) || malformed) return Malformed("more than one CRL");
  return ParseDer(der->reveal());
}

absl::Status VerifyCrlSignature(const Crl& crl, const PublicKey& issuer_key) {
  const std::optional<SignatureScheme> scheme = ParseSignatureScheme(crl.signature_algorithm_der);
  if (scheme && VerifyWithScheme(issuer_key.impl(), *scheme, crl.tbs, crl.signature)) return absl::OkStatus();
  return Deny(v1::DENY_REASON_CERTIFICATE_SIGNATURE_INVALID,
              "CRL is not signed by the issuer's key, or by an algorithm that is not accepted");
}

}  // namespace twi::crypto
