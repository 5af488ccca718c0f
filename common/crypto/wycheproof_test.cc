// Project Wycheproof's signature vectors through PublicKey: what it calls valid must verify, what it calls invalid must
// not.
#include <functional>
#include <string>

#include "common/crypto/keys.h"
#include "common/crypto/test_vectors.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "nlohmann/json.hpp"

namespace twi::crypto {
namespace {

void RunFile(const std::string& name, SignatureAlgorithm algorithm) {
  if (!testing::HaveVectors()) GTEST_SKIP() << testing::kNoVectors;
  const nlohmann::json file = nlohmann::json::parse(testing::ReadVector("wycheproof/" + name), nullptr, false);
  ASSERT_TRUE(file.is_object()) << name;
  int valid = 0, invalid = 0;
  for (const auto& group : file["testGroups"]) {
    const auto key = PublicKey::FromSpki(*FromHex(group["publicKeyDer"].get<std::string>()));
    ASSERT_OK(key);
    for (const auto& test : group["tests"]) {
      const bool verifies =
          key->Verify(algorithm, *FromHex(test["msg"].get<std::string>()), *FromHex(test["sig"].get<std::string>()))
              .ok();
      ASSERT_NE(test["result"], "acceptable");
      EXPECT_EQ(verifies, test["result"] == "valid") << name << " tcId " << test["tcId"] << ": " << test["comment"];
      ++(verifies ? valid : invalid);
    }
  }
  EXPECT_GT(valid, 0);
  EXPECT_GT(invalid, 0);
}

TEST(WycheproofTest, EcdsaP256P1363) {
  RunFile("ecdsa_secp256r1_sha256_p1363_test.json", SignatureAlgorithm::kEcdsaP256Sha256Raw);
}
TEST(WycheproofTest, EcdsaP384Der) {
  RunFile("ecdsa_secp384r1_sha384_test.json", SignatureAlgorithm::kEcdsaP384Sha384);
}
TEST(WycheproofTest, Ed25519) { RunFile("ed25519_test.json", SignatureAlgorithm::kEd25519); }
TEST(WycheproofTest, RsaPss2048Sha256) {
  RunFile("rsa_pss_2048_sha256_mgf1_32_test.json", SignatureAlgorithm::kRsaPssSha256);
}

}  // namespace
}  // namespace twi::crypto
