#include "common/crypto/x509_builder.h"

#include <utility>

#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/keys_impl.h"
#include "common/crypto/oid.h"
#include "common/crypto/x509_extensions.h"
#include "common/crypto/x509_time.h"
#include "common/status/status_macros.h"

namespace twi::crypto {
namespace {

// Last arc of the extensions' OIDs under id-ce, 2.5.29 (RFC 5280 A.2); encoded here once, since every leaf has them.
enum IdCe : std::uint8_t {
  kSubjectKeyId = 14,
  kKeyUsage = 15,
  kSubjectAltName = 17,
  kBasicConstraints = 19,
  kAuthorityKeyId = 35,
  kExtKeyUsage = 37
};
constexpr std::size_t kMaxSerial = 20;  // RFC 5280 4.1.2.2
constexpr std::size_t kMaxCommonName = 64;
constexpr unsigned kContext = CBS_ASN1_CONTEXT_SPECIFIC;
constexpr unsigned kContextConstructed = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;

absl::Status Unusable(absl::string_view what) { return absl::InvalidArgumentError(what); }

// Content octets of the serial: positive, minimal, at most 20 octets.
bool AddSerial(CBB* tbs, absl::string_view serial) {
  while (!serial.empty() && serial[0] == '\0') serial.remove_prefix(1);
  if (serial.empty()) return false;
  const bool pad = (serial[0] & 0x80) != 0;
  CBB integer;
  return serial.size() + (pad ? 1 : 0) <= kMaxSerial && CBB_add_asn1(tbs, &integer, CBS_ASN1_INTEGER) &&
         (!pad || CBB_add_u8(&integer, 0)) && AddBytes(&integer, serial) && CBB_flush(tbs);
}

// An OBJECT IDENTIFIER from dotted text.
bool AddOid(CBB* cbb, absl::string_view oid) {
  CBB child;
  const std::optional<std::string> content = EncodeOid(oid);
  return content.has_value() && CBB_add_asn1(cbb, &child, CBS_ASN1_OBJECT) && AddBytes(&child, *content) &&
         CBB_flush(cbb);
}

// Opens an extension whose value is to be written into `value`; flushing `list` ends it. A child CBB must be flushed
// into its parent before it goes out of scope: the parent keeps a pointer to it.
bool OpenExtension(CBB* list, IdCe id, bool critical, CBB* extension, CBB* value) {
  const char oid[] = {0x06, 0x03, 0x55, 0x1d, static_cast<char>(id)};
  return CBB_add_asn1(list, extension, CBS_ASN1_SEQUENCE) && AddBytes(extension, absl::string_view(oid, sizeof(oid))) &&
         (!critical || CBB_add_asn1_bool(extension, 1)) && CBB_add_asn1(extension, value, CBS_ASN1_OCTETSTRING);
}

bool AddExtension(CBB* list, const Extension& e) {
  CBB extension, value;
  return CBB_add_asn1(list, &extension, CBS_ASN1_SEQUENCE) && AddOid(&extension, e.oid) &&
         (!e.critical || CBB_add_asn1_bool(&extension, 1)) && CBB_add_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) &&
         AddBytes(&value, e.value) && CBB_flush(list);
}

bool AddBasicConstraints(CBB* list, const CertificateTemplate& cert) {
  CBB extension, value, constraints;
  return OpenExtension(list, kBasicConstraints, true, &extension, &value) &&
         CBB_add_asn1(&value, &constraints, CBS_ASN1_SEQUENCE) && (!cert.is_ca || CBB_add_asn1_bool(&constraints, 1)) &&
         (!cert.path_len || CBB_add_asn1_uint64(&constraints, static_cast<std::uint64_t>(*cert.path_len))) &&
         CBB_flush(list);
}

// KeyUsage is a named bit list: trailing zero bits are left out (X.690 11.2.2).
bool AddKeyUsage(CBB* list, std::uint16_t usage) {
  std::uint8_t bytes[2] = {0, 0};
  int last = -1;
  for (int bit = 0; bit < 9; ++bit) {
    if ((usage & (1 << bit)) == 0) continue;
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80 >> (bit % 8)));
    last = bit;
  }
  CBB extension, value, bits;
  return last >= 0 && OpenExtension(list, kKeyUsage, true, &extension, &value) &&
         CBB_add_asn1(&value, &bits, CBS_ASN1_BITSTRING) &&
         CBB_add_u8(&bits, static_cast<std::uint8_t>(7 - last % 8)) &&
         CBB_add_bytes(&bits, bytes, static_cast<std::size_t>(last / 8 + 1)) && CBB_flush(list);
}

bool AddExtendedKeyUsage(CBB* list, const std::vector<std::string>& oids) {
  if (oids.empty()) return true;
  CBB extension, value, sequence;
  if (!OpenExtension(list, kExtKeyUsage, false, &extension, &value) ||
      !CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE))
    return false;
  for (const std::string& oid : oids) {
    if (!AddOid(&sequence, oid)) return false;
  }
  return CBB_flush(list);
}

bool AddSubjectAltName(CBB* list, const CertificateTemplate& cert) {
  if (cert.uri_sans.empty() && cert.dns_sans.empty()) return true;
  CBB extension, value, names;
  const bool critical = cert.subject_der == EmptyName();  // RFC 5280 4.2.1.6
  if (!OpenExtension(list, kSubjectAltName, critical, &extension, &value) ||
      !CBB_add_asn1(&value, &names, CBS_ASN1_SEQUENCE))
    return false;
  for (const auto& [tag, list_of_names] : {std::make_pair(6u, &cert.uri_sans), std::make_pair(2u, &cert.dns_sans)}) {
    for (const std::string& text : *list_of_names) {
      CBB name;
      if (text.empty() || !CBB_add_asn1(&names, &name, kContext | tag) || !AddBytes(&name, text) || !CBB_flush(&names))
        return false;
    }
  }
  return CBB_flush(list);
}

bool AddKeyIds(CBB* list, const CertificateTemplate& cert) {
  CBB extension, value, id;
  const std::string subject_key_id =
      cert.subject_key_id.empty() ? SubjectKeyId(cert.subject_spki) : cert.subject_key_id;
  if (subject_key_id.empty() || !OpenExtension(list, kSubjectKeyId, false, &extension, &value) ||
      !CBB_add_asn1(&value, &id, CBS_ASN1_OCTETSTRING) || !AddBytes(&id, subject_key_id) || !CBB_flush(list)) {
    return false;
  }
  if (cert.authority_key_id.empty()) return true;
  CBB sequence;
  return OpenExtension(list, kAuthorityKeyId, false, &extension, &value) &&
         CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE) && CBB_add_asn1(&sequence, &id, kContext | 0) &&
         AddBytes(&id, cert.authority_key_id) && CBB_flush(list);
}

bool AddExtensions(CBB* tbs, const CertificateTemplate& cert) {
  CBB wrapper, list;
  if (!CBB_add_asn1(tbs, &wrapper, kContextConstructed | 3) || !CBB_add_asn1(&wrapper, &list, CBS_ASN1_SEQUENCE))
    return false;
  if (!AddBasicConstraints(&list, cert) || !AddKeyUsage(&list, cert.key_usage) ||
      !AddExtendedKeyUsage(&list, cert.extended_key_usage) || !AddSubjectAltName(&list, cert) ||
      !AddKeyIds(&list, cert)) {
    return false;
  }
  for (const Extension& e : cert.extensions) {
    if (!AddExtension(&list, e)) return false;
  }
  return CBB_flush(tbs);
}

absl::Status CheckTemplate(const CertificateTemplate& cert) {
  if (!WholeElement(cert.issuer_der, CBS_ASN1_SEQUENCE) || !WholeElement(cert.subject_der, CBS_ASN1_SEQUENCE))
    return Unusable("issuer or subject");
  if (!WholeElement(cert.subject_spki, CBS_ASN1_SEQUENCE)) return Unusable("subject_spki");
  if (cert.not_after < cert.not_before) return Unusable("not_after is before not_before");
  if (cert.key_usage == 0 || cert.key_usage >= 1 << 9) return Unusable("key_usage");
  if (cert.path_len && (!cert.is_ca || *cert.path_len < 0)) return Unusable("path_len");
  if (cert.subject_der == EmptyName() && cert.uri_sans.empty() && cert.dns_sans.empty()) {
    for (const Extension& e : cert.extensions) {
      if (e.oid == kOidSubjectAltName) return absl::OkStatus();
    }
    return Unusable("neither a subject nor a SAN");
  }
  return absl::OkStatus();
}

}  // namespace

std::string NameFromCommonName(absl::string_view cn) {
  bssl::ScopedCBB cbb;
  CBB name, rdn, attribute, value;
  if (cn.empty() || cn.size() > kMaxCommonName) return "";
  if (!CBB_init(cbb.get(), 128) || !CBB_add_asn1(cbb.get(), &name, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&name, &rdn, CBS_ASN1_SET) || !CBB_add_asn1(&rdn, &attribute, CBS_ASN1_SEQUENCE) ||
      !AddBytes(&attribute, TWI_DER("\x06\x03\x55\x04\x03")) ||
      !CBB_add_asn1(&attribute, &value, CBS_ASN1_UTF8STRING) || !AddBytes(&value, cn)) {
    return "";
  }
  return Bytes(cbb.get()).value_or("");
}

std::string EmptyName() { return std::string("\x30\x00", 2); }

std::string SubjectKeyId(absl::string_view spki) {
  std::optional<CBS> in = WholeElement(spki, CBS_ASN1_SEQUENCE);
  CBS algorithm, key;
  if (!in || !CBS_get_asn1_element(&*in, &algorithm, CBS_ASN1_SEQUENCE) || !GetBitString(&*in, &key)) return "";
  return Sha256(View(key)).substr(0, 20);
}

absl::StatusOr<std::string> SignCertificate(const CertificateTemplate& cert, const PrivateKey& issuer_key,
                                            bool rsa_pss) {
  TWI_RETURN_IF_ERROR(CheckTemplate(cert));
  if (rsa_pss && issuer_key.type() != KeyType::kRsa3072) return Unusable("rsa_pss needs an RSA key");
  const SignatureAlgorithm algorithm = rsa_pss ? SignatureAlgorithm::kRsaPssSha384 : issuer_key.default_algorithm();
  const absl::string_view algorithm_der = AlgorithmIdentifierFor(algorithm);
  bssl::ScopedCBB tbs_cbb, cert_cbb;
  CBB tbs, version, validity, outer, bits;
  if (!CBB_init(tbs_cbb.get(), 1024) || !CBB_add_asn1(tbs_cbb.get(), &tbs, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&tbs, &version, kContextConstructed | 0) || !CBB_add_asn1_uint64(&version, 2)) {
    return absl::InternalError("CBB");
  }
  if (!AddSerial(&tbs, cert.serial)) return Unusable("serial must be positive and at most 20 octets");
  if (!AddBytes(&tbs, algorithm_der) || !AddBytes(&tbs, cert.issuer_der) ||
      !CBB_add_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE) || !AddTime(&validity, cert.not_before) ||
      !AddTime(&validity, cert.not_after) || !AddBytes(&tbs, cert.subject_der) || !AddBytes(&tbs, cert.subject_spki) ||
      !AddExtensions(&tbs, cert)) {
    return Unusable("a time, OID, SAN or extension of the template cannot be encoded");
  }
  const std::optional<std::string> tbs_der = Bytes(tbs_cbb.get());
  if (!tbs_der) return absl::InternalError("CBB");
  TWI_ASSIGN_OR_RETURN(const std::string signature, issuer_key.Sign(algorithm, *tbs_der));
  if (!CBB_init(cert_cbb.get(), tbs_der->size() + signature.size() + 128) ||
      !CBB_add_asn1(cert_cbb.get(), &outer, CBS_ASN1_SEQUENCE) || !AddBytes(&outer, *tbs_der) ||
      !AddBytes(&outer, algorithm_der) || !CBB_add_asn1(&outer, &bits, CBS_ASN1_BITSTRING) || !CBB_add_u8(&bits, 0) ||
      !AddBytes(&bits, signature)) {
    return absl::InternalError("CBB");
  }
  std::optional<std::string> der = Bytes(cert_cbb.get());
  if (!der) return absl::InternalError("CBB");
  return *std::move(der);
}

}  // namespace twi::crypto
