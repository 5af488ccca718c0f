#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/keys_impl.h"
#include "common/crypto/pem.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/bn.h"
#include "openssl/curve25519.h"
#include "openssl/digest.h"
#include "openssl/ecdsa.h"
#include "openssl/err.h"
#include "openssl/evp.h"
#include "openssl/mem.h"
#include "openssl/nid.h"

namespace twi::crypto {
namespace {

constexpr std::size_t kMaxPkcs8 = 8 * 1024;
constexpr std::size_t kMaxPem = 16 * 1024;
constexpr std::size_t kEd25519SeedSize = 32;

absl::Status Malformed(absl::string_view detail) {
  ERR_clear_error();
  return Deny(v1::DENY_REASON_KEY_MALFORMED, detail);
}

absl::Status CryptoFailed(absl::string_view what) {
  ERR_clear_error();
  return absl::InternalError(absl::StrCat("BoringSSL: ", what));
}

// SubjectPublicKeyInfo of the public half.
absl::StatusOr<PublicKey> PublicHalf(const EVP_PKEY* pkey) {
  bssl::ScopedCBB cbb;
  if (!CBB_init(cbb.get(), 128) || !EVP_marshal_public_key(cbb.get(), pkey))
    return CryptoFailed("EVP_marshal_public_key");
  const std::optional<std::string> spki = Bytes(cbb.get());
  if (!spki) return CryptoFailed("CBB");
  return PublicKey::FromSpki(*spki);
}

// Takes the key apart; the type must be one that we sign with.
absl::StatusOr<PrivateKey> FromPkey(const EVP_PKEY* pkey) {
  TWI_ASSIGN_OR_RETURN(PublicKey public_key, PublicHalf(pkey));
  bssl::UniquePtr<EC_KEY> ec(EVP_PKEY_get1_EC_KEY(pkey));
  bssl::UniquePtr<RSA> rsa(EVP_PKEY_get1_RSA(pkey));
  ERR_clear_error();  // the getters complain about the other type
  SecretBytes ed25519;
  switch (public_key.type()) {
    case KeyType::kP256:
    case KeyType::kP384:
      if (ec == nullptr || EC_KEY_get0_private_key(ec.get()) == nullptr || !EC_KEY_check_key(ec.get()))
        return Malformed("EC private key");
      break;
    case KeyType::kRsa3072:
      if (rsa == nullptr || !RSA_check_key(rsa.get())) return Malformed("RSA private key");
      break;
    case KeyType::kEd25519: {
      SecretBytes seed(kEd25519SeedSize);
      std::size_t size = seed.size();
      if (!EVP_PKEY_get_raw_private_key(pkey, seed.mutable_data(), &size) || size != kEd25519SeedSize)
        return Malformed("Ed25519 private key");
      ed25519 = SecretBytes(ED25519_PRIVATE_KEY_LEN);
      std::uint8_t public_half[ED25519_PUBLIC_KEY_LEN];
      ED25519_keypair_from_seed(public_half, ed25519.mutable_data(), seed.mutable_data());
      break;
    }
    case KeyType::kRsaOther:
      return Malformed("RSA private keys must have 3072 bits");
  }
  return PrivateKey(std::make_shared<PrivateKey::Impl>(
      PrivateKey::Impl{std::move(public_key), std::move(ec), std::move(rsa), std::move(ed25519)}));
}

bool GenerateInto(EVP_PKEY* pkey, KeyType type) {
  if (type == KeyType::kRsa3072) {
    bssl::UniquePtr<RSA> rsa(RSA_new());
    bssl::UniquePtr<BIGNUM> e(BN_new());
    return rsa != nullptr && e != nullptr && BN_set_word(e.get(), RSA_F4) &&
           RSA_generate_key_ex(rsa.get(), 3072, e.get(), nullptr) && EVP_PKEY_set1_RSA(pkey, rsa.get());
  }
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(type == KeyType::kP256 ? NID_X9_62_prime256v1 : NID_secp384r1));
  return ec != nullptr && EC_KEY_generate_key(ec.get()) && EVP_PKEY_set1_EC_KEY(pkey, ec.get());
}

bssl::UniquePtr<EVP_PKEY> ToPkey(const PrivateKey::Impl& key) {
  if (!key.ed25519.empty()) {
    return bssl::UniquePtr<EVP_PKEY>(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Data(key.ed25519.reveal()), kEd25519SeedSize));
  }
  bssl::UniquePtr<EVP_PKEY> pkey(EVP_PKEY_new());
  if (pkey == nullptr) return nullptr;
  const bool set =
      key.ec != nullptr ? EVP_PKEY_set1_EC_KEY(pkey.get(), key.ec.get()) : EVP_PKEY_set1_RSA(pkey.get(), key.rsa.get());
  return set ? std::move(pkey) : nullptr;
}

absl::Status Mismatch() { return absl::InvalidArgumentError("signature algorithm does not fit the key type"); }

absl::StatusOr<std::string> SignEc(EC_KEY* ec, HashAlgorithm hash, absl::string_view message, bool raw) {
  const std::string digest = Hash(hash, message);
  if (!raw) {
    std::string signature(ECDSA_size(ec), '\0');
    unsigned size = 0;
    if (!ECDSA_sign(0, Data(digest), digest.size(), reinterpret_cast<std::uint8_t*>(&signature[0]), &size, ec))
      return CryptoFailed("ECDSA_sign");
    signature.resize(size);
    return signature;
  }
  bssl::UniquePtr<ECDSA_SIG> sig(ECDSA_do_sign(Data(digest), digest.size(), ec));
  const std::size_t size = HashSize(hash);  // equal to the coordinate size for both curves
  std::string signature(2 * size, '\0');
  auto* out = reinterpret_cast<std::uint8_t*>(&signature[0]);
  if (sig == nullptr || !BN_bn2bin_padded(out, size, ECDSA_SIG_get0_r(sig.get())) ||
      !BN_bn2bin_padded(out + size, size, ECDSA_SIG_get0_s(sig.get()))) {
    return CryptoFailed("ECDSA_do_sign");
  }
  return signature;
}

absl::StatusOr<std::string> SignRsa(RSA* rsa, HashAlgorithm hash, absl::string_view message, bool pss) {
  const EVP_MD* md = hash == HashAlgorithm::kSha256 ? EVP_sha256() : EVP_sha384();
  const std::string digest = Hash(hash, message);
  std::string signature(RSA_size(rsa), '\0');
  auto* out = reinterpret_cast<std::uint8_t*>(&signature[0]);
  unsigned size = 0;
  std::size_t pss_size = 0;
  const bool done = pss ? RSA_sign_pss_mgf1(rsa, &pss_size, out, signature.size(), Data(digest), digest.size(), md, md,
                                            static_cast<int>(digest.size()))
                        : RSA_sign(EVP_MD_type(md), Data(digest), digest.size(), out, &size, rsa);
  if (!done || (pss ? pss_size : size) != signature.size()) return CryptoFailed("RSA signature");
  return signature;
}

absl::StatusOr<std::string> SignEd25519(const SecretBytes& key, absl::string_view message) {
  std::string signature(ED25519_SIGNATURE_LEN, '\0');
  if (!ED25519_sign(reinterpret_cast<std::uint8_t*>(&signature[0]), Data(message), message.size(),
                    Data(key.reveal()))) {
    return CryptoFailed("ED25519_sign");
  }
  return signature;
}

}  // namespace

absl::StatusOr<PrivateKey> PrivateKey::Generate(KeyType type) {
  if (type == KeyType::kEd25519) {
    std::uint8_t public_half[ED25519_PUBLIC_KEY_LEN];
    SecretBytes key(ED25519_PRIVATE_KEY_LEN);
    ED25519_keypair(public_half, key.mutable_data());
    TWI_ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromEd25519(absl::string_view(
                                                   reinterpret_cast<const char*>(public_half), sizeof(public_half))));
    return PrivateKey(std::make_shared<Impl>(Impl{std::move(public_key), nullptr, nullptr, std::move(key)}));
  }
  if (type == KeyType::kRsaOther)
    return absl::InvalidArgumentError("only P-256, P-384, Ed25519 and RSA-3072 keys are generated");
  bssl::UniquePtr<EVP_PKEY> pkey(EVP_PKEY_new());
  if (pkey == nullptr || !GenerateInto(pkey.get(), type)) return CryptoFailed("key generation");
  return FromPkey(pkey.get());
}

absl::StatusOr<PrivateKey> PrivateKey::FromPkcs8(const SecretBytes& der) {
  if (der.size() > kMaxPkcs8) return Malformed("PKCS#8 over 8 KiB");
  CBS in = ToCbs(der.reveal());
  bssl::UniquePtr<EVP_PKEY> pkey(EVP_parse_private_key(&in));
  if (pkey == nullptr || CBS_len(&in) != 0) return Malformed("PKCS#8 does not parse");
  return FromPkey(pkey.get());
}

absl::StatusOr<PrivateKey> PrivateKey::FromPem(const SecretBytes& pem) {
  if (pem.size() > kMaxPem) return Malformed("PEM over 16 KiB");
  for (const char* label : {"PRIVATE KEY", "EC PRIVATE KEY"}) {
    std::size_t pos = 0;
    bool malformed = false;
    const std::optional<absl::string_view> body = NextPemBody(pem.reveal(), label, &pos, &malformed);
    if (malformed) return Malformed("PEM block without END line");
    if (!body) continue;
    const std::optional<SecretBytes> der = DecodePemBody(*body);
    if (!der) return Malformed("PEM body is not base64");
    if (absl::string_view(label) == "PRIVATE KEY") return FromPkcs8(*der);
    CBS in = ToCbs(der->reveal());
    bssl::UniquePtr<EC_KEY> ec(EC_KEY_parse_private_key(&in, nullptr));
    bssl::UniquePtr<EVP_PKEY> pkey(EVP_PKEY_new());
    if (ec == nullptr || CBS_len(&in) != 0 || pkey == nullptr || !EVP_PKEY_set1_EC_KEY(pkey.get(), ec.get())) {
      return Malformed("ECPrivateKey does not parse");
    }
    return FromPkey(pkey.get());
  }
  return Malformed("no PEM block PRIVATE KEY or EC PRIVATE KEY");
}

const PublicKey& PrivateKey::public_key() const { return impl_->public_key; }
KeyType PrivateKey::type() const { return impl_->public_key.type(); }

SignatureAlgorithm PrivateKey::default_algorithm() const {
  switch (type()) {
    case KeyType::kP256:
      return SignatureAlgorithm::kEcdsaP256Sha256;
    case KeyType::kP384:
      return SignatureAlgorithm::kEcdsaP384Sha384;
    case KeyType::kEd25519:
      return SignatureAlgorithm::kEd25519;
    case KeyType::kRsa3072:
    case KeyType::kRsaOther:
      break;
  }
  return SignatureAlgorithm::kRsaPkcs1Sha256;
}

absl::StatusOr<std::string> PrivateKey::Sign(SignatureAlgorithm algorithm, absl::string_view message) const {
  const Impl& key = *impl_;
  switch (algorithm) {
    case SignatureAlgorithm::kEcdsaP256Sha256:
    case SignatureAlgorithm::kEcdsaP256Sha256Raw:
      if (type() != KeyType::kP256) return Mismatch();
      return SignEc(key.ec.get(), HashAlgorithm::kSha256, message,
                    algorithm == SignatureAlgorithm::kEcdsaP256Sha256Raw);
    case SignatureAlgorithm::kEcdsaP384Sha384:
    case SignatureAlgorithm::kEcdsaP384Sha384Raw:
      if (type() != KeyType::kP384) return Mismatch();
      return SignEc(key.ec.get(), HashAlgorithm::kSha384, message,
                    algorithm == SignatureAlgorithm::kEcdsaP384Sha384Raw);
    case SignatureAlgorithm::kEd25519:
      if (type() != KeyType::kEd25519) return Mismatch();
      return SignEd25519(key.ed25519, message);
    case SignatureAlgorithm::kRsaPkcs1Sha256:
      if (key.rsa == nullptr) return Mismatch();
      return SignRsa(key.rsa.get(), HashAlgorithm::kSha256, message, false);
    case SignatureAlgorithm::kRsaPkcs1Sha384:
      if (key.rsa == nullptr) return Mismatch();
      return SignRsa(key.rsa.get(), HashAlgorithm::kSha384, message, false);
    case SignatureAlgorithm::kRsaPssSha256:
      if (key.rsa == nullptr) return Mismatch();
      return SignRsa(key.rsa.get(), HashAlgorithm::kSha256, message, true);
    case SignatureAlgorithm::kRsaPssSha384:
      if (key.rsa == nullptr) return Mismatch();
      return SignRsa(key.rsa.get(), HashAlgorithm::kSha384, message, true);
  }
  return Mismatch();
}

SecretBytes PrivateKey::ToPkcs8() const {
  bssl::ScopedCBB cbb;
  const bssl::UniquePtr<EVP_PKEY> pkey = ToPkey(*impl_);
  // Only memory can run out here: the key was whole when it was made. BoringSSL wipes the CBB's buffer when it frees
  // it.
  if (pkey == nullptr || !CBB_init(cbb.get(), 256) || !EVP_marshal_private_key(cbb.get(), pkey.get()) ||
      !CBB_flush(cbb.get()))
    std::abort();
  return SecretBytes::CopyOf(absl::string_view(reinterpret_cast<const char*>(CBB_data(cbb.get())), CBB_len(cbb.get())));
}

SecretBytes PrivateKey::ToPem() const {
  const SecretBytes der = ToPkcs8();
  return EncodePem("PRIVATE KEY", der.reveal());
}

}  // namespace twi::crypto
