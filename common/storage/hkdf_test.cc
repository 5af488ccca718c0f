#include "common/storage/hkdf.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

std::string Derive(absl::string_view key_hex, absl::string_view salt_hex, absl::string_view info_hex) {
  const SecretBytes key = SecretBytes::CopyOf(absl::HexStringToBytes(key_hex));
  return absl::BytesToHexString(
      HkdfSha256(key, absl::HexStringToBytes(salt_hex), absl::HexStringToBytes(info_hex)).reveal());
}

// RFC 5869 appendix A; the first 32 bytes of each OKM.
TEST(HkdfTest, Rfc5869TestCase1) {
  EXPECT_EQ(
      Derive("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9"),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

TEST(HkdfTest, Rfc5869TestCase2) {
  std::string key, salt, info;
  for (int i = 0; i < 80; ++i) {
    key.push_back(static_cast<char>(i));
    salt.push_back(static_cast<char>(0x60 + i));
    info.push_back(static_cast<char>(0xb0 + i));
  }
  EXPECT_EQ(Derive(absl::BytesToHexString(key), absl::BytesToHexString(salt), absl::BytesToHexString(info)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
}

TEST(HkdfTest, Rfc5869TestCase3NoInfoAndTheDefaultSaltSpelledOut) {
  EXPECT_EQ(Derive("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", std::string(64, '0'), ""),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

}  // namespace
}  // namespace twi::storage
