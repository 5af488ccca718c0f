#include "common/crypto/keys.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"

namespace twi::crypto {
namespace {

using testing::StatusIs;

const std::vector<SignatureAlgorithm> kAll = {
    SignatureAlgorithm::kEcdsaP256Sha256, SignatureAlgorithm::kEcdsaP256Sha256Raw,
    SignatureAlgorithm::kEcdsaP384Sha384, SignatureAlgorithm::kEcdsaP384Sha384Raw,
    SignatureAlgorithm::kEd25519,         SignatureAlgorithm::kRsaPkcs1Sha256,
    SignatureAlgorithm::kRsaPkcs1Sha384,  SignatureAlgorithm::kRsaPssSha256,
    SignatureAlgorithm::kRsaPssSha384};

// One key of each type for all tests: RSA-3072 takes its time.
const PrivateKey& KeyOf(KeyType type) {
  static const auto* const keys =
      new std::vector<PrivateKey>{*PrivateKey::Generate(KeyType::kP256), *PrivateKey::Generate(KeyType::kP384),
                                  *PrivateKey::Generate(KeyType::kEd25519), *PrivateKey::Generate(KeyType::kRsa3072)};
  return (*keys)[static_cast<std::size_t>(type)];
}

bool Fits(KeyType type, SignatureAlgorithm a) {
  switch (type) {
    case KeyType::kP256:
      return a == SignatureAlgorithm::kEcdsaP256Sha256 || a == SignatureAlgorithm::kEcdsaP256Sha256Raw;
    case KeyType::kP384:
      return a == SignatureAlgorithm::kEcdsaP384Sha384 || a == SignatureAlgorithm::kEcdsaP384Sha384Raw;
    case KeyType::kEd25519:
      return a == SignatureAlgorithm::kEd25519;
    default:
      return a >= SignatureAlgorithm::kRsaPkcs1Sha256;
  }
}

class EveryKeyTypeTest : public ::testing::TestWithParam<KeyType> {};
INSTANTIATE_TEST_SUITE_P(Types, EveryKeyTypeTest,
                         ::testing::Values(KeyType::kP256, KeyType::kP384, KeyType::kEd25519, KeyType::kRsa3072));

TEST_P(EveryKeyTypeTest, SignsAndVerifiesOnlyWithAlgorithmsThatFit) {
  const PrivateKey& key = KeyOf(GetParam());
  EXPECT_EQ(key.type(), GetParam());
  EXPECT_TRUE(Fits(GetParam(), key.default_algorithm()));
  for (SignatureAlgorithm a : kAll) {
    const auto signature = key.Sign(a, "message");
    ASSERT_EQ(signature.ok(), Fits(GetParam(), a)) << static_cast<int>(a);
    if (!signature.ok()) {
      EXPECT_EQ(signature.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(key.public_key().Verify(a, "message", std::string(64, 'x')),
                  StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
      continue;
    }
    EXPECT_OK(key.public_key().Verify(a, "message", *signature));
    for (SignatureAlgorithm other : kAll) {
      if (other == a) continue;
      EXPECT_THAT(key.public_key().Verify(other, "message", *signature), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
    }
  }
}

TEST_P(EveryKeyTypeTest, RefusesChangedSignatureMessageAndKey) {
  const PrivateKey& key = KeyOf(GetParam());
  const PublicKey& pub = key.public_key();
  for (SignatureAlgorithm a : kAll) {
    if (!Fits(GetParam(), a)) continue;
    const std::string signature = *key.Sign(a, "message");
    for (std::size_t i = 0; i < signature.size(); i += 1 + signature.size() / 40) {
      std::string turned = signature;
      turned[i] = static_cast<char>(turned[i] ^ (1 << (i % 8)));
      EXPECT_THAT(pub.Verify(a, "message", turned), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
    }
    for (const std::string& bad :
         {std::string(), signature.substr(1), signature.substr(0, signature.size() - 1), signature + '\0',
          '\0' + signature, std::string(signature.size(), '\0'), std::string(signature.size(), '\xff')}) {
      EXPECT_THAT(pub.Verify(a, "message", bad), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
    }
    EXPECT_THAT(pub.Verify(a, "massage", signature), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
    if (GetParam() != KeyType::kRsa3072) {
      const PrivateKey stranger = *PrivateKey::Generate(GetParam());
      EXPECT_THAT(stranger.public_key().Verify(a, "message", signature), StatusIs(v1::DENY_REASON_SIGNATURE_INVALID));
    }
  }
}

TEST_P(EveryKeyTypeTest, RoundTripsThroughPkcs8AndPem) {
  const PrivateKey& key = KeyOf(GetParam());
  ASSERT_OK_AND_ASSIGN(const PrivateKey from_der, PrivateKey::FromPkcs8(key.ToPkcs8()));
  EXPECT_EQ(from_der.public_key(), key.public_key());
  ASSERT_OK_AND_ASSIGN(const PrivateKey from_pem, PrivateKey::FromPem(key.ToPem()));
  EXPECT_EQ(from_pem.public_key(), key.public_key());
  const std::string signature = *from_pem.Sign(from_pem.default_algorithm(), "m");
  EXPECT_OK(key.public_key().Verify(key.default_algorithm(), "m", signature));
}

TEST_P(EveryKeyTypeTest, RefusesCutAndLongerPkcs8) {
  const std::string der = std::string(KeyOf(GetParam()).ToPkcs8().reveal());
  for (std::size_t size = 0; size < der.size(); size += 1 + der.size() / 50) {
    EXPECT_THAT(PrivateKey::FromPkcs8(SecretBytes::CopyOf(der.substr(0, size))),
                StatusIs(v1::DENY_REASON_KEY_MALFORMED))
        << size;
  }
  EXPECT_THAT(PrivateKey::FromPkcs8(SecretBytes::CopyOf(der + '\0')), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PrivateKey::FromPkcs8(SecretBytes(9000)), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

TEST_P(EveryKeyTypeTest, SpkiRoundTripsAndIsStrict) {
  const PublicKey& key = KeyOf(GetParam()).public_key();
  ASSERT_OK_AND_ASSIGN(const PublicKey again, PublicKey::FromSpki(key.spki()));
  EXPECT_EQ(again, key);
  EXPECT_EQ(again.bits(), key.bits());
  EXPECT_EQ(key.spki_sha256(), Sha256(key.spki()));
  for (std::size_t size = 0; size < key.spki().size(); ++size) {
    EXPECT_THAT(PublicKey::FromSpki(key.spki().substr(0, size)), StatusIs(v1::DENY_REASON_KEY_MALFORMED)) << size;
  }
  EXPECT_THAT(PublicKey::FromSpki(key.spki() + '\0'), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

TEST(PublicKeyTest, RebuildsFromItsNumbers) {
  const PublicKey p256 = KeyOf(KeyType::kP256).public_key();
  EXPECT_EQ(p256.ec_x().size(), 32u);
  EXPECT_EQ(*PublicKey::FromEcPoint(KeyType::kP256, p256.ec_x(), p256.ec_y()), p256);
  EXPECT_EQ(p256.bits(), 256);
  const PublicKey p384 = KeyOf(KeyType::kP384).public_key();
  EXPECT_EQ(p384.ec_y().size(), 48u);
  EXPECT_EQ(*PublicKey::FromEcPoint(KeyType::kP384, p384.ec_x(), p384.ec_y()), p384);
  EXPECT_EQ(p384.bits(), 384);
  const PublicKey ed = KeyOf(KeyType::kEd25519).public_key();
  EXPECT_EQ(*PublicKey::FromEd25519(ed.ed25519_raw()), ed);
  EXPECT_EQ(ed.ec_x() + ed.ec_y() + ed.rsa_modulus() + ed.rsa_exponent(), "");
  const PublicKey rsa = KeyOf(KeyType::kRsa3072).public_key();
  EXPECT_EQ(rsa.rsa_modulus().size(), 384u);
  EXPECT_EQ(ToHex(rsa.rsa_exponent()), "010001");
  EXPECT_EQ(*PublicKey::FromRsa(rsa.rsa_modulus(), rsa.rsa_exponent()), rsa);
  EXPECT_EQ(*PublicKey::FromRsa('\0' + rsa.rsa_modulus(), '\0' + rsa.rsa_exponent()), rsa);
  EXPECT_EQ(rsa.ec_x() + rsa.ed25519_raw(), "");
}

TEST(PublicKeyTest, RefusesPointsOffTheCurve) {
  const PublicKey p256 = KeyOf(KeyType::kP256).public_key();
  std::string y = p256.ec_y();
  y[31] = static_cast<char>(y[31] ^ 1);
  EXPECT_THAT(PublicKey::FromEcPoint(KeyType::kP256, p256.ec_x(), y), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PublicKey::FromEcPoint(KeyType::kP256, std::string(32, '\0'), std::string(32, '\0')),
              StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PublicKey::FromEcPoint(KeyType::kP256, std::string(32, '\xff'), p256.ec_y()),
              StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PublicKey::FromEcPoint(KeyType::kP384, p256.ec_x(), p256.ec_y()),
              StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PublicKey::FromEcPoint(KeyType::kP256, p256.ec_x() + "x", p256.ec_y()),
              StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PublicKey::FromEcPoint(KeyType::kEd25519, p256.ec_x(), p256.ec_y()),
              StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  EXPECT_THAT(PublicKey::FromEd25519("short"), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

TEST(PublicKeyTest, RefusesCompressedPoints) {
  const PublicKey key = KeyOf(KeyType::kP256).public_key();
  const std::string algorithm = key.spki().substr(2, 21);
  const std::string point = absl::StrCat((key.ec_y()[31] & 1) ? "\x03" : "\x02", key.ec_x());
  const std::string spki =
      absl::StrCat(absl::string_view("\x30\x39", 2), algorithm, absl::string_view("\x03\x22\x00", 3), point);
  EXPECT_THAT(PublicKey::FromSpki(spki), StatusIs(v1::DENY_REASON_KEY_MALFORMED, ::testing::HasSubstr("uncompressed")));
}

TEST(PublicKeyTest, RefusesRsaOutsideTheLimits) {
  std::string modulus(256, '\xff');
  EXPECT_EQ(PublicKey::FromRsa(modulus, "\x03")->type(), KeyType::kRsaOther);
  EXPECT_EQ(PublicKey::FromRsa(std::string(512, '\xff'), "\x03")->bits(), 4096);
  const auto refused = StatusIs(v1::DENY_REASON_KEY_MALFORMED);
  EXPECT_THAT(PublicKey::FromRsa(std::string(255, '\xff'), "\x03"), refused);    // 2040 bits
  EXPECT_THAT(PublicKey::FromRsa("\x7f" + modulus.substr(1), "\x03"), refused);  // 2047 bits
  EXPECT_THAT(PublicKey::FromRsa(std::string(513, '\xff'), "\x03"), refused);
  EXPECT_THAT(PublicKey::FromRsa(std::string(5000, '\xff'), "\x03"), refused);
  EXPECT_THAT(PublicKey::FromRsa(modulus, "\x01"), refused);
  EXPECT_THAT(PublicKey::FromRsa(modulus, "\x04"), refused);
  EXPECT_THAT(PublicKey::FromRsa(modulus, ""), refused);
  EXPECT_THAT(PublicKey::FromRsa(modulus, std::string(8, '\xff')), refused);
  EXPECT_THAT(PublicKey::FromRsa("", "\x03"), refused);
  modulus.back() = '\xfe';
  EXPECT_THAT(PublicKey::FromRsa(modulus, "\x03"), refused);  // even
}

TEST(PrivateKeyTest, DoesNotGenerateOtherRsaSizes) {
  EXPECT_EQ(PrivateKey::Generate(KeyType::kRsaOther).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PrivateKeyTest, RefusesHalvesThatDoNotMatch) {
  // Same structure, the public key of another key: P-256 PKCS#8 ends with the point.
  std::string der = std::string(KeyOf(KeyType::kP256).ToPkcs8().reveal());
  const PrivateKey other = *PrivateKey::Generate(KeyType::kP256);
  der.replace(der.size() - 64, 64, other.public_key().ec_x() + other.public_key().ec_y());
  EXPECT_THAT(PrivateKey::FromPkcs8(SecretBytes::CopyOf(der)), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

TEST(PrivateKeyTest, ReadsEcPrivateKeyPemOfOpenSsl) {
  constexpr char kPem[] =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
      "-----BEGIN EC PRIVATE KEY-----\n"
      "MHcCAQEEIMmvqdhFunUWa1whV2ex1pNOUMPbNuibEnuKYisSD2choAoGCCqGSM49\n"
      "AwEHoUQDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8\n"
      "maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n"
      "-----END EC PRIVATE KEY-----\n";
  // RFC 6979 A.2.5's key, so the public half is known.
  const auto key = PrivateKey::FromPem(SecretBytes::CopyOf(kPem));
  ASSERT_OK(key);
  EXPECT_EQ(ToHex(key->public_key().ec_x()), "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
}

TEST(PrivateKeyTest, RefusesWhatIsNotPem) {
  const std::string pem = std::string(KeyOf(KeyType::kP256).ToPem().reveal());
  const auto refused = StatusIs(v1::DENY_REASON_KEY_MALFORMED);
  for (const std::string& bad :
       {std::string(), std::string("no pem"), pem.substr(0, pem.size() / 2), pem.substr(20),
        std::string("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"),
        std::string("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n"), std::string(20000, 'x')}) {
    EXPECT_THAT(PrivateKey::FromPem(SecretBytes::CopyOf(bad)), refused) << bad.substr(0, 40);
  }
}

TEST(PublicKeyTest, TakesOnePemBlockAndNothingLikeASecond) {
  const std::string pem = KeyOf(KeyType::kP256).public_key().ToPem();
  EXPECT_OK(PublicKey::FromPem(pem));
  for (const std::string& bad :
       {std::string(), pem.substr(0, pem.size() / 2), pem + pem, pem + "-----BEGIN PUBLIC KEY-----\nAAAA\n",
        std::string("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), pem + std::string(8192, ' ')}) {
    EXPECT_THAT(PublicKey::FromPem(bad), StatusIs(v1::DENY_REASON_KEY_MALFORMED)) << bad.substr(0, 40);
  }
}

}  // namespace
}  // namespace twi::crypto
