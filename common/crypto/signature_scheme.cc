#include "common/crypto/der.h"
#include "common/crypto/keys_impl.h"
#include "openssl/curve25519.h"
#include "openssl/digest.h"
#include "openssl/ecdsa.h"
#include "openssl/err.h"
#include "openssl/nid.h"

namespace twi::crypto {
namespace {

using Kind = SignatureScheme::Kind;

// Whole AlgorithmIdentifiers (RFC 5758 3.2, RFC 8410 3, RFC 8017 A.2.4). RSA PKCS#1 takes NULL parameters, the others
// none.
const absl::string_view kEcdsaSha256 = TWI_DER("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
const absl::string_view kEcdsaSha384 = TWI_DER("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03");
const absl::string_view kEd25519 = TWI_DER("\x30\x05\x06\x03\x2b\x65\x70");
const absl::string_view kRsaSha256 = TWI_DER("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00");
const absl::string_view kRsaSha384 = TWI_DER("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00");
const absl::string_view kRsaSha512 = TWI_DER("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00");
// RSASSA-PSS as we write it: SHA-256 salt 32, SHA-384 salt 48 (RFC 4055 3.1, without the default trailerField).
const absl::string_view kPssSha256 = TWI_DER(
    "\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04"
    "\x02\x01\x05\x00"
    "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
    "\x05\x00\xa2\x03\x02"
    "\x01\x20");
const absl::string_view kPssSha384 = TWI_DER(
    "\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04"
    "\x02\x02\x05\x00"
    "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02"
    "\x05\x00\xa2\x03\x02"
    "\x01\x30");

const absl::string_view kOidPss = TWI_DER("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a");
const absl::string_view kOidMgf1 = TWI_DER("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08");
const absl::string_view kOidSha256 = TWI_DER("\x60\x86\x48\x01\x65\x03\x04\x02\x01");
const absl::string_view kOidSha384 = TWI_DER("\x60\x86\x48\x01\x65\x03\x04\x02\x02");

// AlgorithmIdentifier of a hash; RFC 4055 2.1 wants both NULL and absent parameters accepted.
std::optional<HashAlgorithm> GetHash(CBS* in) {
  CBS algorithm, oid, null;
  if (!CBS_get_asn1(in, &algorithm, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT))
    return std::nullopt;
  if (CBS_len(&algorithm) != 0 &&
      (!CBS_get_asn1(&algorithm, &null, CBS_ASN1_NULL) || CBS_len(&null) != 0 || CBS_len(&algorithm) != 0)) {
    return std::nullopt;
  }
  if (View(oid) == kOidSha256) return HashAlgorithm::kSha256;
  if (View(oid) == kOidSha384) return HashAlgorithm::kSha384;
  return std::nullopt;
}

// RSASSA-PSS-params with every field that we accept given: the defaults are SHA-1. trailerField may be written out (AMD
// does, though it is the default).
std::optional<SignatureScheme> ParsePss(absl::string_view der) {
  constexpr unsigned kTag = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;
  std::optional<CBS> algorithm = WholeElement(der, CBS_ASN1_SEQUENCE);
  CBS oid, params, field, mgf, mgf_oid;
  std::uint64_t salt = 0, trailer = 1;
  if (!algorithm || !CBS_get_asn1(&*algorithm, &oid, CBS_ASN1_OBJECT) || View(oid) != kOidPss ||
      !CBS_get_asn1(&*algorithm, &params, CBS_ASN1_SEQUENCE) || CBS_len(&*algorithm) != 0) {
    return std::nullopt;
  }
  if (!CBS_get_asn1(&params, &field, kTag | 0)) return std::nullopt;
  const std::optional<HashAlgorithm> hash = GetHash(&field);
  if (!hash || CBS_len(&field) != 0) return std::nullopt;
  if (!CBS_get_asn1(&params, &field, kTag | 1) || !CBS_get_asn1(&field, &mgf, CBS_ASN1_SEQUENCE) ||
      CBS_len(&field) != 0 || !CBS_get_asn1(&mgf, &mgf_oid, CBS_ASN1_OBJECT) || View(mgf_oid) != kOidMgf1 ||
      GetHash(&mgf) != hash || CBS_len(&mgf) != 0) {
    return std::nullopt;
  }
  if (!CBS_get_asn1(&params, &field, kTag | 2) || !CBS_get_asn1_uint64(&field, &salt) || CBS_len(&field) != 0)
    return std::nullopt;
  if (CBS_len(&params) != 0 &&
      (!CBS_get_asn1(&params, &field, kTag | 3) || !CBS_get_asn1_uint64(&field, &trailer) || CBS_len(&field) != 0)) {
    return std::nullopt;
  }
  if (CBS_len(&params) != 0 || trailer != 1 || salt != HashSize(*hash)) return std::nullopt;
  return SignatureScheme{Kind::kRsaPss, *hash};
}

const EVP_MD* Md(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha256:
      return EVP_sha256();
    case HashAlgorithm::kSha384:
      return EVP_sha384();
    case HashAlgorithm::kSha512:
      return EVP_sha512();
    case HashAlgorithm::kSha1:
      return nullptr;  // never for a signature
  }
  return nullptr;
}

bool VerifyAny(const PublicKey::Impl& key, const SignatureScheme& scheme, absl::string_view message,
               absl::string_view signature) {
  if (scheme.kind == Kind::kEd25519) {
    return key.type == KeyType::kEd25519 && signature.size() == ED25519_SIGNATURE_LEN &&
           ED25519_verify(Data(message), message.size(), Data(signature),
                          Data(key.spki) + key.spki.size() - ED25519_PUBLIC_KEY_LEN) == 1;
  }
  const EVP_MD* md = Md(scheme.hash);
  if (md == nullptr) return false;
  const std::string digest = Hash(scheme.hash, message);
  switch (scheme.kind) {
    case Kind::kEcdsa:  // ECDSA_verify takes strict DER only
      return key.ec != nullptr &&
             ECDSA_verify(0, Data(digest), digest.size(), Data(signature), signature.size(), key.ec.get()) == 1;
    case Kind::kRsaPkcs1:
      return key.rsa != nullptr && RSA_verify(EVP_MD_type(md), Data(digest), digest.size(), Data(signature),
                                              signature.size(), key.rsa.get()) == 1;
    case Kind::kRsaPss:
      return key.rsa != nullptr &&
             RSA_verify_pss_mgf1(key.rsa.get(), Data(digest), digest.size(), md, md, static_cast<int>(digest.size()),
                                 Data(signature), signature.size()) == 1;
    case Kind::kEd25519:
      break;
  }
  return false;
}

}  // namespace

std::optional<SignatureScheme> ParseSignatureScheme(absl::string_view der) {
  if (der == kEcdsaSha256) return SignatureScheme{Kind::kEcdsa, HashAlgorithm::kSha256};
  if (der == kEcdsaSha384) return SignatureScheme{Kind::kEcdsa, HashAlgorithm::kSha384};
  if (der == kEd25519) return SignatureScheme{Kind::kEd25519, HashAlgorithm::kSha512};
  if (der == kRsaSha256) return SignatureScheme{Kind::kRsaPkcs1, HashAlgorithm::kSha256};
  if (der == kRsaSha384) return SignatureScheme{Kind::kRsaPkcs1, HashAlgorithm::kSha384};
  if (der == kRsaSha512) return SignatureScheme{Kind::kRsaPkcs1, HashAlgorithm::kSha512};
  return ParsePss(der);
}

bool VerifyWithScheme(const PublicKey::Impl& key, const SignatureScheme& scheme, absl::string_view message,
                      absl::string_view signature) {
  const bool valid = VerifyAny(key, scheme, message, signature);
  if (!valid) ERR_clear_error();
  return valid;
}

absl::string_view AlgorithmIdentifierFor(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaP256Sha256:
      return kEcdsaSha256;
    case SignatureAlgorithm::kEcdsaP384Sha384:
      return kEcdsaSha384;
    case SignatureAlgorithm::kEd25519:
      return kEd25519;
    case SignatureAlgorithm::kRsaPkcs1Sha256:
      return kRsaSha256;
    case SignatureAlgorithm::kRsaPkcs1Sha384:
      return kRsaSha384;
    case SignatureAlgorithm::kRsaPssSha256:
      return kPssSha256;
    case SignatureAlgorithm::kRsaPssSha384:
      return kPssSha384;
    case SignatureAlgorithm::kEcdsaP256Sha256Raw:
    case SignatureAlgorithm::kEcdsaP384Sha384Raw:
      break;
  }
  return "";
}

}  // namespace twi::crypto
