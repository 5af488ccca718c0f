#include "common/crypto/hash.h"

#include "common/crypto/random.h"
#include "common/encoding/encoding.h"
#include "gtest/gtest.h"

namespace twi::crypto {
namespace {

TEST(HashTest, KnownAnswers) {  // FIPS 180-4 examples, "abc"
  EXPECT_EQ(ToHex(Hash(HashAlgorithm::kSha1, "abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(ToHex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha384("abc")),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(ToHex(Sha512("abc")).substr(0, 32), "ddaf35a193617abacc417349ae204131");
  EXPECT_EQ(ToHex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(HashTest, SizesMatchTheDigests) {
  for (HashAlgorithm a :
       {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    EXPECT_EQ(Hash(a, "x").size(), HashSize(a));
  }
  EXPECT_EQ(Hash(HashAlgorithm::kSha384, "x"), Sha384("x"));
}

TEST(HmacTest, Rfc4231) {
  EXPECT_EQ(ToHex(HmacSha256(SecretBytes::CopyOf("Jefe"), "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(ToHex(HmacSha256(SecretBytes(), "")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  EXPECT_NE(HmacSha256(SecretBytes::CopyOf("a"), "b"), HmacSha256(SecretBytes::CopyOf("a"), "c"));
}

TEST(SystemRandomTest, GivesOtherBytesEachTime) {
  SystemRandom random;
  EXPECT_EQ(random.Bytes(0), "");
  EXPECT_EQ(random.Bytes(32).size(), 32u);
  EXPECT_NE(random.Bytes(32), random.Bytes(32));
  EXPECT_FALSE(ConstantTimeEqual(random.Secret(32), random.Secret(32)));
}

}  // namespace
}  // namespace twi::crypto
