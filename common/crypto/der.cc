#include "common/crypto/der.h"

#include "common/crypto/oid.h"

namespace twi::crypto {
namespace {

constexpr char kOidCommonName[] = "\x55\x04\x03";  // 2.5.4.3

bool IsPlainText(unsigned tag) {
  return tag == CBS_ASN1_UTF8STRING || tag == CBS_ASN1_PRINTABLESTRING || tag == CBS_ASN1_IA5STRING ||
         tag == CBS_ASN1_T61STRING;
}

}  // namespace

std::string OidText(const CBS& oid) { return DecodeOid(View(oid)); }

std::optional<CBS> WholeElement(absl::string_view der, unsigned tag) {
  CBS in = ToCbs(der);
  CBS content;
  if (!CBS_get_asn1(&in, &content, tag) || CBS_len(&in) != 0) return std::nullopt;
  return content;
}

bool GetBitString(CBS* in, CBS* out) {
  std::uint8_t unused_bits = 0;
  return CBS_get_asn1(in, out, CBS_ASN1_BITSTRING) && CBS_get_u8(out, &unused_bits) && unused_bits == 0;
}

bool GetName(CBS* in, CBS* element, std::string* common_name) {
  if (!CBS_get_asn1_element(in, element, CBS_ASN1_SEQUENCE)) return false;
  CBS copy = *element;
  CBS rdns;
  if (!CBS_get_asn1(&copy, &rdns, CBS_ASN1_SEQUENCE)) return false;
  while (CBS_len(&rdns) > 0) {
    CBS rdn;
    if (!CBS_get_asn1(&rdns, &rdn, CBS_ASN1_SET) || CBS_len(&rdn) == 0) return false;
    while (CBS_len(&rdn) > 0) {
      CBS attribute, type, value;
      unsigned tag = 0;
      if (!CBS_get_asn1(&rdn, &attribute, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&attribute, &type, CBS_ASN1_OBJECT) ||
          !CBS_get_any_asn1(&attribute, &value, &tag) || CBS_len(&attribute) != 0) {
        return false;
      }
      if (View(type) != kOidCommonName || !IsPlainText(tag)) continue;
      if (CBS_contains_zero_byte(&value)) return false;
      *common_name = Str(value);
    }
  }
  return true;
}

}  // namespace twi::crypto
