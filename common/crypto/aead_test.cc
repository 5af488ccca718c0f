#include "common/crypto/aead.h"

#include <string>

#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"

namespace twi::crypto {
namespace {

using testing::StatusIs;

TEST(AeadTest, RoundTrips) {
  testing::FakeRandom random;
  const SecretBytes key = random.Secret(32);
  for (const std::string& plaintext : {std::string(), std::string("x"), std::string(100000, 'y')}) {
    ASSERT_OK_AND_ASSIGN(const std::string sealed, AeadSeal(key, "aad", plaintext, random));
    EXPECT_EQ(sealed.size(), plaintext.size() + 28);
    ASSERT_OK_AND_ASSIGN(const SecretBytes opened, AeadOpen(key, "aad", sealed));
    EXPECT_EQ(opened.reveal(), plaintext);
  }
}

TEST(AeadTest, EverySealHasItsOwnNonce) {
  testing::FakeRandom random;
  const SecretBytes key = random.Secret(32);
  EXPECT_NE(AeadSeal(key, "", "same", random)->substr(0, 12), AeadSeal(key, "", "same", random)->substr(0, 12));
}

TEST(AeadTest, RefusesWhateverDiffers) {
  testing::FakeRandom random;
  const SecretBytes key = random.Secret(32);
  const std::string sealed = *AeadSeal(key, "aad", "secret", random);
  const auto refused = StatusIs(v1::DENY_REASON_DECRYPTION_FAILED);
  EXPECT_THAT(AeadOpen(key, "Aad", sealed), refused);
  EXPECT_THAT(AeadOpen(random.Secret(32), "aad", sealed), refused);
  EXPECT_THAT(AeadOpen(key, "aad", sealed + "x"), refused);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string turned = sealed;
    turned[i] = static_cast<char>(turned[i] ^ 0x80);
    EXPECT_THAT(AeadOpen(key, "aad", turned), refused);
    EXPECT_THAT(AeadOpen(key, "aad", sealed.substr(0, i)), refused);
  }
}

TEST(AeadTest, RefusesKeysOfAnotherSize) {
  testing::FakeRandom random;
  for (std::size_t size : {0, 16, 31, 33}) {
    EXPECT_FALSE(AeadSeal(SecretBytes(size), "", "x", random).ok());
    EXPECT_FALSE(AeadOpen(SecretBytes(size), "", std::string(40, 'x')).ok());
  }
}

}  // namespace
}  // namespace twi::crypto
