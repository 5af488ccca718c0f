#include "common/sealed_key/sealed_key.h"

#include <string>
#include <vector>

#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

class SealedKeyTest : public testing::Test {
 protected:
  SealedKeyTest()
      : store_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
        recipient_(*crypto::HpkePrivateKey::Generate()),
        context_{"https://ks.example", "https://db.example", std::string(56, 'n'), "key-1", std::string(32, 'r')} {
    keys_.keys.push_back({"k", "ES256", "sig", store_.public_key()});
    jws_ = Seal(store_, context_);
  }
  std::string Seal(const crypto::PrivateKey& signer, const SealedKeyContext& context) {
    return *SealKey(context, recipient_.spki(), SecretBytes::CopyOf("the credential key"), "spiffe://e/ks", "jti",
                    absl::UnixEpoch(), signer, "k");
  }
  DenyReason Open(absl::string_view jws, const SealedKeyContext& context) {
    return DenyReasonOf(OpenSealedKey(jws, keys_, "spiffe://e/ks", context, recipient_).status());
  }
  crypto::PrivateKey store_;
  crypto::HpkePrivateKey recipient_;
  SealedKeyContext context_;
  jose::JwkSet keys_;
  std::string jws_;
};

TEST_F(SealedKeyTest, OpensForTheRecipient) {
  const absl::StatusOr<SecretBytes> key = OpenSealedKey(jws_, keys_, "spiffe://e/ks", context_, recipient_);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->reveal(), "the credential key");
}

TEST_F(SealedKeyTest, RefusesAnotherSigner) {
  EXPECT_EQ(Open(Seal(*crypto::PrivateKey::Generate(crypto::KeyType::kP256), context_), context_),
            v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER);
  EXPECT_EQ(DenyReasonOf(OpenSealedKey(jws_, keys_, "spiffe://e/other", context_, recipient_).status()),
            v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER);
}

TEST_F(SealedKeyTest, RefusesEveryPartOfAnotherContext) {
  SealedKeyContext c = context_;
  c.rp_id += "x";
  EXPECT_EQ(Open(jws_, c), v1::DENY_REASON_SEALED_KEY_INVALID);
  c = context_;
  c.target += "x";
  EXPECT_EQ(Open(jws_, c), v1::DENY_REASON_SEALED_KEY_INVALID);
  c = context_;
  c.nonce += "x";
  EXPECT_EQ(Open(jws_, c), v1::DENY_REASON_SEALED_KEY_INVALID);
  c = context_;
  c.key_id += "x";
  EXPECT_EQ(Open(jws_, c), v1::DENY_REASON_SEALED_KEY_INVALID);
  c = context_;
  c.results_sha256[0] ^= 1;
  EXPECT_EQ(Open(jws_, c), v1::DENY_REASON_SEALED_KEY_INVALID);
}

// What is signed and what is sealed are held to the context each by itself: a Key Store that signs one thing and seals
// another is not believed.
TEST_F(SealedKeyTest, TheSealAndTheClaimsAreHeldToTheContextEach) {
  std::vector<SealedKeyContext> others(5, context_);
  others[0].rp_id += "x";
  others[1].target += "x";
  others[2].nonce += "x";
  others[3].key_id += "x";
  others[4].results_sha256[0] ^= 1;
  const auto claims_of = [](const std::string& jws) { return jose::InsecureDecodeJws(jws, 32 * 1024)->payload; };
  const auto sign = [this](nlohmann::json claims, const nlohmann::json& sealed) {
    claims["enc"] = sealed["enc"];
    claims["ciphertext"] = sealed["ciphertext"];
    return *jose::SignJws(store_, "k", kSealedKeyTyp, claims.dump());
  };
  const nlohmann::json ours = claims_of(jws_);
  EXPECT_EQ(Open(sign(ours, ours), context_), v1::DENY_REASON_UNSPECIFIED);
  for (const SealedKeyContext& other : others) {
    const nlohmann::json theirs = claims_of(Seal(store_, other));
    EXPECT_EQ(Open(sign(ours, theirs), context_), v1::DENY_REASON_SEALED_KEY_INVALID) << "sealed for another context";
    EXPECT_EQ(Open(sign(theirs, ours), context_), v1::DENY_REASON_SEALED_KEY_INVALID) << "signed for another context";
  }
}

TEST_F(SealedKeyTest, RefusesAnotherRecipient) {
  const crypto::HpkePrivateKey other = *crypto::HpkePrivateKey::Generate();
  EXPECT_EQ(DenyReasonOf(OpenSealedKey(jws_, keys_, "spiffe://e/ks", context_, other).status()),
            v1::DENY_REASON_SEALED_KEY_INVALID);
}

TEST_F(SealedKeyTest, RefusesGarbage) {
  EXPECT_EQ(Open("", context_), v1::DENY_REASON_SEALED_KEY_INVALID);
  EXPECT_EQ(Open("a.b.c", context_), v1::DENY_REASON_SEALED_KEY_INVALID);
}

}  // namespace
}  // namespace twi
