#include "common/crypto/csr.h"

#include "common/crypto/der.h"
#include "common/crypto/keys_impl.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kMaxCsr = 4096;
constexpr unsigned kAttributesTag = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_CSR_MALFORMED, detail); }

// Attributes ::= SET OF SEQUENCE { type OID, values SET OF ANY }
bool AttributesParse(CBS attributes) {
  while (CBS_len(&attributes) > 0) {
    CBS attribute, type, values;
    if (!CBS_get_asn1(&attributes, &attribute, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&attribute, &type, CBS_ASN1_OBJECT) || !CBS_get_asn1(&attribute, &values, CBS_ASN1_SET) ||
        CBS_len(&attribute) != 0) {
      return false;
    }
    while (CBS_len(&values) > 0) {
      if (!CBS_get_any_asn1_element(&values, nullptr, nullptr, nullptr)) return false;
    }
  }
  return true;
}

// Which signature algorithms a Credential Key of each type may use for its Proof-of-Possession.
bool SchemeFits(KeyType type, const SignatureScheme& scheme) {
  using Kind = SignatureScheme::Kind;
  switch (type) {
    case KeyType::kP256:
      return scheme.kind == Kind::kEcdsa && scheme.hash == HashAlgorithm::kSha256;
    case KeyType::kP384:
      return scheme.kind == Kind::kEcdsa && scheme.hash == HashAlgorithm::kSha384;
    case KeyType::kEd25519:
      return scheme.kind == Kind::kEd25519;
    case KeyType::kRsa3072:
      return scheme.kind == Kind::kRsaPkcs1 || scheme.kind == Kind::kRsaPss;
    case KeyType::kRsaOther:
      return false;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> MakeCsr(const PrivateKey& key) {
  bssl::ScopedCBB tbs_cbb, csr_cbb;
  CBB tbs, name, attributes, csr, bits;
  if (!CBB_init(tbs_cbb.get(), 512) || !CBB_add_asn1(tbs_cbb.get(), &tbs, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1_uint64(&tbs, 0) || !CBB_add_asn1(&tbs, &name, CBS_ASN1_SEQUENCE) ||
      !AddBytes(&tbs, key.public_key().spki()) || !CBB_add_asn1(&tbs, &attributes, kAttributesTag)) {
    return absl::InternalError("CBB");
  }
  const std::optional<std::string> info = Bytes(tbs_cbb.get());
  if (!info) return absl::InternalError("CBB");
  TWI_ASSIGN_OR_RETURN(const std::string signature, key.Sign(key.default_algorithm(), *info));
  if (!CBB_init(csr_cbb.get(), 1024) || !CBB_add_asn1(csr_cbb.get(), &csr, CBS_ASN1_SEQUENCE) ||
      !AddBytes(&csr, *info) || !AddBytes(&csr, AlgorithmIdentifierFor(key.default_algorithm())) ||
      !CBB_add_asn1(&csr, &bits, CBS_ASN1_BITSTRING) || !CBB_add_u8(&bits, 0) || !AddBytes(&bits, signature)) {
    return absl::InternalError("CBB");
  }
  std::optional<std::string> der = Bytes(csr_cbb.get());
  if (!der) return absl::InternalError("CBB");
  return *std::move(der);
}

namespace {

// The parts of a request that its self-signature is verified from; views into the DER.
struct ParsedCsr {
  Csr csr;
  CBS info, signature;
  SignatureScheme scheme;
};

absl::StatusOr<ParsedCsr> Parse(absl::string_view der) {
  if (der.size() > kMaxCsr) return Malformed("CSR over 4 KiB");
  std::optional<CBS> outer = WholeElement(der, CBS_ASN1_SEQUENCE);
  CBS info_element, algorithm, signature, info, subject, spki, attributes;
  if (!outer || !CBS_get_asn1_element(&*outer, &info_element, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&*outer, &algorithm, CBS_ASN1_SEQUENCE) || !GetBitString(&*outer, &signature) ||
      CBS_len(&*outer) != 0) {
    return Malformed("not one whole DER CertificationRequest");
  }
  CBS info_in = info_element;
  std::uint64_t version = 0;
  std::string common_name;
  if (!CBS_get_asn1(&info_in, &info, CBS_ASN1_SEQUENCE) || !CBS_get_asn1_uint64(&info, &version) || version != 0) {
    return Malformed("version is not 0");
  }
  if (!GetName(&info, &subject, &common_name)) return Malformed("subject does not parse");
  if (!CBS_get_asn1_element(&info, &spki, CBS_ASN1_SEQUENCE)) return Malformed("no public key");
  if (!CBS_get_asn1(&info, &attributes, kAttributesTag) || CBS_len(&info) != 0 || !AttributesParse(attributes)) {
    return Malformed("attributes do not parse");
  }
  absl::StatusOr<PublicKey> key = PublicKey::FromSpki(View(spki));
  if (!key.ok()) return Deny(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED, key.status().message());
  if (key->type() == KeyType::kRsaOther)
    return Deny(v1::DENY_REASON_CSR_KEY_NOT_ALLOWED, "RSA Credential Keys must have 3072 bits");
  const std::optional<SignatureScheme> scheme = ParseSignatureScheme(View(algorithm));
  if (!scheme || !SchemeFits(key->type(), *scheme)) {
    return Deny(v1::DENY_REASON_CSR_SIGNATURE_INVALID, "signature algorithm is not known or does not fit the key");
  }
  return ParsedCsr{Csr{std::string(der), *std::move(key)}, info_element, signature, *scheme};
}

}  // namespace

absl::StatusOr<Csr> ParseCsr(absl::string_view der) {
  TWI_ASSIGN_OR_RETURN(ParsedCsr parsed, Parse(der));
  return std::move(parsed.csr);
}

absl::StatusOr<Csr> ParseAndVerifyCsr(absl::string_view der) {
  TWI_ASSIGN_OR_RETURN(ParsedCsr parsed, Parse(der));
  if (!VerifyWithScheme(parsed.csr.public_key.impl(), parsed.scheme, View(parsed.info), View(parsed.signature))) {
    return Deny(v1::DENY_REASON_CSR_SIGNATURE_INVALID, "not signed by the key it carries");
  }
  return std::move(parsed.csr);
}

}  // namespace twi::crypto
