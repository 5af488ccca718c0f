#include "absl/strings/str_cat.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/keys_impl.h"
#include "common/crypto/pem.h"
#include "common/status/deny.h"
#include "openssl/bn.h"
#include "openssl/ec.h"
#include "openssl/ecdsa.h"
#include "openssl/err.h"
#include "openssl/nid.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kMaxSpki = 2048;
constexpr unsigned kMinRsaBits = 2048;
constexpr unsigned kMaxRsaBits = 4096;
constexpr std::size_t kEd25519Size = 32;

// AlgorithmIdentifiers of public keys, whole: RFC 5480 2.1.1 (named curves), RFC 8410 3, RFC 3279 2.3.1.
const absl::string_view kAlgP256 =
    TWI_DER("\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
const absl::string_view kAlgP384 = TWI_DER("\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22");
const absl::string_view kAlgEd25519 = TWI_DER("\x30\x05\x06\x03\x2b\x65\x70");
const absl::string_view kAlgRsa = TWI_DER("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00");

absl::Status Malformed(absl::string_view detail) {
  ERR_clear_error();
  return Deny(v1::DENY_REASON_KEY_MALFORMED, detail);
}

std::size_t CoordinateSize(KeyType type) { return type == KeyType::kP256 ? 32 : type == KeyType::kP384 ? 48 : 0; }

// Only the uncompressed form, so that each key has one SubjectPublicKeyInfo.
absl::Status FillEc(KeyType type, absl::string_view point_bytes, PublicKey::Impl& impl) {
  const std::size_t size = CoordinateSize(type);
  if (point_bytes.size() != 1 + 2 * size || point_bytes[0] != 0x04)
    return Malformed("EC point is not in the uncompressed form");
  impl.type = type;
  impl.bits = static_cast<int>(size * 8);
  impl.ec.reset(EC_KEY_new_by_curve_name(type == KeyType::kP256 ? NID_X9_62_prime256v1 : NID_secp384r1));
  if (impl.ec == nullptr) return absl::InternalError("EC_KEY_new_by_curve_name");
  const EC_GROUP* group = EC_KEY_get0_group(impl.ec.get());
  bssl::UniquePtr<EC_POINT> point(EC_POINT_new(group));
  if (point == nullptr || !EC_POINT_oct2point(group, point.get(), Data(point_bytes), point_bytes.size(), nullptr) ||
      !EC_KEY_set_public_key(impl.ec.get(), point.get())) {
    return Malformed("EC point is not on the curve");
  }
  return absl::OkStatus();
}

absl::Status FillRsa(absl::string_view key_bytes, PublicKey::Impl& impl) {
  impl.rsa.reset(RSA_public_key_from_bytes(Data(key_bytes), key_bytes.size()));  // checks: exponent odd, 2..33 bits
  if (impl.rsa == nullptr) return Malformed("RSAPublicKey does not parse");
  const BIGNUM *n = nullptr, *e = nullptr;
  RSA_get0_key(impl.rsa.get(), &n, &e, nullptr);
  const unsigned bits = BN_num_bits(n);
  if (bits < kMinRsaBits || bits > kMaxRsaBits)
    return Malformed(absl::StrCat("RSA modulus of ", bits, " bits; 2048..4096 are accepted"));
  if (!BN_is_odd(n)) return Malformed("RSA modulus is even");
  impl.type = bits == 3072 ? KeyType::kRsa3072 : KeyType::kRsaOther;
  impl.bits = static_cast<int>(bits);
  return absl::OkStatus();
}

absl::StatusOr<std::string> MakeSpki(absl::string_view algorithm, absl::string_view key_bytes) {
  bssl::ScopedCBB cbb;
  CBB spki, bits;
  if (!CBB_init(cbb.get(), algorithm.size() + key_bytes.size() + 16) ||
      !CBB_add_asn1(cbb.get(), &spki, CBS_ASN1_SEQUENCE) || !AddBytes(&spki, algorithm) ||
      !CBB_add_asn1(&spki, &bits, CBS_ASN1_BITSTRING) || !CBB_add_u8(&bits, 0) || !AddBytes(&bits, key_bytes)) {
    return absl::InternalError("CBB");
  }
  std::optional<std::string> der = Bytes(cbb.get());
  if (!der) return absl::InternalError("CBB");
  return *std::move(der);
}

// INTEGER from unsigned big-endian bytes.
bool AddUnsigned(CBB* cbb, absl::string_view be) {
  while (!be.empty() && be[0] == '\0') be.remove_prefix(1);
  CBB integer;
  return !be.empty() && CBB_add_asn1(cbb, &integer, CBS_ASN1_INTEGER) &&
         ((be[0] & 0x80) == 0 || CBB_add_u8(&integer, 0)) && AddBytes(&integer, be) && CBB_flush(cbb);
}

std::string BigEndian(const BIGNUM* n) {
  std::string out(BN_num_bytes(n), '\0');
  BN_bn2bin(n, reinterpret_cast<std::uint8_t*>(&out[0]));
  return out;
}

// IEEE P1363: r || s of exactly the coordinate size each.
bool VerifyRaw(const PublicKey::Impl& key, HashAlgorithm hash, absl::string_view message, absl::string_view signature) {
  const std::size_t size = CoordinateSize(key.type);
  if (key.ec == nullptr || signature.size() != 2 * size) return false;
  bssl::UniquePtr<BIGNUM> r(BN_bin2bn(Data(signature), size, nullptr));
  bssl::UniquePtr<BIGNUM> s(BN_bin2bn(Data(signature) + size, size, nullptr));
  bssl::UniquePtr<ECDSA_SIG> sig(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || sig == nullptr || !ECDSA_SIG_set0(sig.get(), r.get(), s.get())) return false;
  (void)r.release();  // owned by sig now
  (void)s.release();
  const std::string digest = Hash(hash, message);
  return ECDSA_do_verify(Data(digest), digest.size(), sig.get(), key.ec.get()) == 1;
}

bool VerifyByName(const PublicKey::Impl& key, SignatureAlgorithm algorithm, absl::string_view message,
                  absl::string_view signature) {
  using Kind = SignatureScheme::Kind;
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaP256Sha256:
      return key.type == KeyType::kP256 &&
             VerifyWithScheme(key, {Kind::kEcdsa, HashAlgorithm::kSha256}, message, signature);
    case SignatureAlgorithm::kEcdsaP384Sha384:
      return key.type == KeyType::kP384 &&
             VerifyWithScheme(key, {Kind::kEcdsa, HashAlgorithm::kSha384}, message, signature);
    case SignatureAlgorithm::kEcdsaP256Sha256Raw:
      return key.type == KeyType::kP256 && VerifyRaw(key, HashAlgorithm::kSha256, message, signature);
    case SignatureAlgorithm::kEcdsaP384Sha384Raw:
      return key.type == KeyType::kP384 && VerifyRaw(key, HashAlgorithm::kSha384, message, signature);
    case SignatureAlgorithm::kEd25519:
      return VerifyWithScheme(key, {Kind::kEd25519, HashAlgorithm::kSha512}, message, signature);
    case SignatureAlgorithm::kRsaPkcs1Sha256:
      return VerifyWithScheme(key, {Kind::kRsaPkcs1, HashAlgorithm::kSha256}, message, signature);
    case SignatureAlgorithm::kRsaPkcs1Sha384:
      return VerifyWithScheme(key, {Kind::kRsaPkcs1, HashAlgorithm::kSha384}, message, signature);
    case SignatureAlgorithm::kRsaPssSha256:
      return VerifyWithScheme(key, {Kind::kRsaPss, HashAlgorithm::kSha256}, message, signature);
    case SignatureAlgorithm::kRsaPssSha384:
      return VerifyWithScheme(key, {Kind::kRsaPss, HashAlgorithm::kSha384}, message, signature);
  }
  return false;
}

}  // namespace

absl::StatusOr<PublicKey> PublicKey::FromPem(absl::string_view pem) {
  std::size_t pos = 0;
  bool malformed = false;
  const std::optional<absl::string_view> body =
      pem.size() > 8 * 1024 ? std::nullopt : NextPemBody(pem, "PUBLIC KEY", &pos, &malformed);
  const std::optional<SecretBytes> der = body.has_value() ? DecodePemBody(*body) : std::nullopt;
  const bool another = NextPemBody(pem, "PUBLIC KEY", &pos, &malformed).has_value() || malformed;
  if (!der.has_value() || another) {
    return Deny(v1::DENY_REASON_KEY_MALFORMED, "not one PEM block \"BEGIN PUBLIC KEY\"");
  }
  return FromSpki(der->reveal());
}

std::string PublicKey::ToPem() const { return std::string(EncodePem("PUBLIC KEY", spki()).reveal()); }

absl::StatusOr<PublicKey> PublicKey::FromSpki(absl::string_view der) {
  if (der.size() > kMaxSpki) return Malformed("SubjectPublicKeyInfo over 2 KiB");
  std::optional<CBS> spki = WholeElement(der, CBS_ASN1_SEQUENCE);
  CBS algorithm, key;
  if (!spki || !CBS_get_asn1_element(&*spki, &algorithm, CBS_ASN1_SEQUENCE) || !GetBitString(&*spki, &key) ||
      CBS_len(&*spki) != 0) {
    return Malformed("SubjectPublicKeyInfo does not parse");
  }
  auto impl = std::make_shared<Impl>();
  absl::Status status = absl::OkStatus();
  if (View(algorithm) == kAlgP256) {
    status = FillEc(KeyType::kP256, View(key), *impl);
  } else if (View(algorithm) == kAlgP384) {
    status = FillEc(KeyType::kP384, View(key), *impl);
  } else if (View(algorithm) == kAlgRsa) {
    status = FillRsa(View(key), *impl);
  } else if (View(algorithm) == kAlgEd25519) {
    if (CBS_len(&key) != kEd25519Size) return Malformed("Ed25519 key is not 32 bytes");
    impl->type = KeyType::kEd25519;
    impl->bits = 255;
  } else {
    return Malformed("public key algorithm or curve is not known");
  }
  if (!status.ok()) return status;
  impl->spki = std::string(der);
  impl->spki_sha256 = Sha256(der);
  return PublicKey(std::move(impl));
}

absl::StatusOr<PublicKey> PublicKey::FromEcPoint(KeyType type, absl::string_view x, absl::string_view y) {
  const std::size_t size = CoordinateSize(type);
  if (size == 0) return Malformed("not an EC key type");
  if (x.size() != size || y.size() != size)
    return Malformed(absl::StrCat("EC coordinates of ", x.size(), " and ", y.size(), " bytes, not ", size));
  auto spki = MakeSpki(type == KeyType::kP256 ? kAlgP256 : kAlgP384, absl::StrCat("\x04", x, y));
  if (!spki.ok()) return spki.status();
  return FromSpki(*spki);
}

absl::StatusOr<PublicKey> PublicKey::FromRsa(absl::string_view modulus_be, absl::string_view exponent_be) {
  if (modulus_be.size() > kMaxRsaBits / 8 + 1 || exponent_be.size() > 8)
    return Malformed("RSA modulus or exponent too long");
  bssl::ScopedCBB cbb;
  CBB key;
  if (!CBB_init(cbb.get(), modulus_be.size() + 32) || !CBB_add_asn1(cbb.get(), &key, CBS_ASN1_SEQUENCE))
    return absl::InternalError("CBB");
  if (!AddUnsigned(&key, modulus_be) || !AddUnsigned(&key, exponent_be))
    return Malformed("RSA modulus or exponent is zero");
  const std::optional<std::string> der = Bytes(cbb.get());
  if (!der) return absl::InternalError("CBB");
  auto spki = MakeSpki(kAlgRsa, *der);
  if (!spki.ok()) return spki.status();
  return FromSpki(*spki);
}

absl::StatusOr<PublicKey> PublicKey::FromEd25519(absl::string_view raw32) {
  auto spki = MakeSpki(kAlgEd25519, raw32);
  if (!spki.ok()) return spki.status();
  return FromSpki(*spki);
}

KeyType PublicKey::type() const { return impl_->type; }
int PublicKey::bits() const { return impl_->bits; }
const std::string& PublicKey::spki() const { return impl_->spki; }
const std::string& PublicKey::spki_sha256() const { return impl_->spki_sha256; }

std::string PublicKey::ec_x() const {
  const std::size_t size = CoordinateSize(impl_->type);
  return impl_->spki.substr(impl_->spki.size() - 2 * size, size);
}

std::string PublicKey::ec_y() const { return impl_->spki.substr(impl_->spki.size() - CoordinateSize(impl_->type)); }

std::string PublicKey::ed25519_raw() const {
  return impl_->type == KeyType::kEd25519 ? impl_->spki.substr(impl_->spki.size() - kEd25519Size) : "";
}

std::string PublicKey::rsa_modulus() const {
  return impl_->rsa == nullptr ? "" : BigEndian(RSA_get0_n(impl_->rsa.get()));
}
std::string PublicKey::rsa_exponent() const {
  return impl_->rsa == nullptr ? "" : BigEndian(RSA_get0_e(impl_->rsa.get()));
}

absl::Status PublicKey::Verify(SignatureAlgorithm algorithm, absl::string_view message,
                               absl::string_view signature) const {
  if (VerifyByName(*impl_, algorithm, message, signature)) return absl::OkStatus();
  ERR_clear_error();
  return Deny(v1::DENY_REASON_SIGNATURE_INVALID, "signature is not valid under this key by this algorithm");
}

}  // namespace twi::crypto
