#include "common/crypto/x509_extensions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kMaxExtensions = 64;
constexpr std::uint64_t kMaxPathLen = 255;
constexpr unsigned kTagDns = CBS_ASN1_CONTEXT_SPECIFIC | 2;
constexpr unsigned kTagUri = CBS_ASN1_CONTEXT_SPECIFIC | 6;
constexpr unsigned kMaxGeneralNameTag = 8;

// BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL }. A
// written-out FALSE is not DER but common.
bool ReadBasicConstraints(absl::string_view value, Certificate* cert) {
  std::optional<CBS> in = WholeElement(value, CBS_ASN1_SEQUENCE);
  if (!in) return false;
  int is_ca = 0;
  if (CBS_peek_asn1_tag(&*in, CBS_ASN1_BOOLEAN) && !CBS_get_asn1_bool(&*in, &is_ca)) return false;
  cert->is_ca = is_ca != 0;
  if (CBS_len(&*in) == 0) return true;
  std::uint64_t path_len = 0;
  if (!CBS_get_asn1_uint64(&*in, &path_len) || CBS_len(&*in) != 0 || path_len > kMaxPathLen) return false;
  cert->path_len = static_cast<int>(path_len);
  return true;
}

bool ReadKeyUsage(absl::string_view value, Certificate* cert) {
  const std::optional<CBS> bits = WholeElement(value, CBS_ASN1_BITSTRING);
  if (!bits || !CBS_is_valid_asn1_bitstring(&*bits) || CBS_len(&*bits) > 3) return false;
  std::uint16_t usage = 0;
  for (unsigned bit = 0; bit < 16; ++bit) {
    if (CBS_asn1_bitstring_has_bit(&*bits, bit)) usage = static_cast<std::uint16_t>(usage | 1u << bit);
  }
  cert->key_usage = usage;
  return true;
}

bool ReadExtendedKeyUsage(absl::string_view value, Certificate* cert) {
  std::optional<CBS> in = WholeElement(value, CBS_ASN1_SEQUENCE);
  if (!in || CBS_len(&*in) == 0) return false;
  while (CBS_len(&*in) > 0) {
    CBS oid;
    if (!CBS_get_asn1(&*in, &oid, CBS_ASN1_OBJECT)) return false;
    std::string text = OidText(oid);
    if (text.empty()) return false;
    cert->extended_key_usage.push_back(std::move(text));
  }
  return true;
}

// IA5String: printable ASCII only here, so that no name hides a NUL or a line end.
bool IsPrintableAscii(absl::string_view text) {
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return !text.empty();
}

bool ReadSubjectAltName(absl::string_view value, Certificate* cert) {
  std::optional<CBS> in = WholeElement(value, CBS_ASN1_SEQUENCE);
  if (!in || CBS_len(&*in) == 0) return false;
  while (CBS_len(&*in) > 0) {
    CBS name;
    unsigned tag = 0;
    if (!CBS_get_any_asn1(&*in, &name, &tag)) return false;
    if ((tag & CBS_ASN1_CLASS_MASK) != CBS_ASN1_CONTEXT_SPECIFIC ||
        (tag & CBS_ASN1_TAG_NUMBER_MASK) > kMaxGeneralNameTag)
      return false;
    if (tag == kTagDns || tag == kTagUri) {
      if (!IsPrintableAscii(View(name))) return false;
      (tag == kTagDns ? cert->dns_sans : cert->uri_sans).push_back(Str(name));
    } else {
      ++cert->other_sans;
    }
  }
  return true;
}

}  // namespace

bool ParseExtensions(CBS in, std::vector<Extension>* out) {
  if (CBS_len(&in) == 0) return false;
  while (CBS_len(&in) > 0) {
    CBS extension, oid, value;
    int critical = 0;
    if (!CBS_get_asn1(&in, &extension, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT))
      return false;
    if (CBS_peek_asn1_tag(&extension, CBS_ASN1_BOOLEAN) && !CBS_get_asn1_bool(&extension, &critical)) return false;
    if (!CBS_get_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) || CBS_len(&extension) != 0) return false;
    Extension parsed{OidText(oid), critical != 0, Str(value)};
    if (parsed.oid.empty() || out->size() == kMaxExtensions) return false;
    for (const Extension& earlier : *out) {
      if (earlier.oid == parsed.oid) return false;  // RFC 5280 4.2: no extension twice
    }
    out->push_back(std::move(parsed));
  }
  return true;
}

absl::Status ReadKnownExtensions(Certificate* cert) {
  for (const Extension& e : cert->extensions) {
    bool fine = true;
    if (e.oid == kOidBasicConstraints) {
      fine = ReadBasicConstraints(e.value, cert);
    } else if (e.oid == kOidKeyUsage) {
      fine = ReadKeyUsage(e.value, cert);
    } else if (e.oid == kOidExtendedKeyUsage) {
      fine = ReadExtendedKeyUsage(e.value, cert);
    } else if (e.oid == kOidSubjectAltName) {
      fine = ReadSubjectAltName(e.value, cert);
    }
    if (!fine) return Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED, absl::StrCat("extension ", e.oid, " does not parse"));
  }
  return absl::OkStatus();
}

}  // namespace twi::crypto
