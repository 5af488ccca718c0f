#include "common/encoding/encoding.h"

#include <string>

#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

void ExpectRefused(const absl::StatusOr<std::string>& result, absl::string_view input) {
  ASSERT_FALSE(result.ok()) << input;
  EXPECT_EQ(DenyReasonOf(result.status()), v1::DENY_REASON_ENCODING_MALFORMED) << input;
}

TEST(HexTest, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(*FromHex(ToHex(all)), all);
  EXPECT_EQ(ToHex("\xde\xad"), "dead");
  EXPECT_EQ(*FromHex("DEad"), "\xde\xad");
  EXPECT_EQ(*FromHex(""), "");
}

TEST(HexTest, RefusesWhatIsNotHex) {
  for (const char* bad : {"a", "abc", "0g", "g0", " 00", "00 ", "0x00", "\xc3\xa9"}) ExpectRefused(FromHex(bad), bad);
}

TEST(Base64Test, Rfc4648Vectors) {  // RFC 4648 10
  const char* vectors[][2] = {{"", ""},
                              {"f", "Zg=="},
                              {"fo", "Zm8="},
                              {"foo", "Zm9v"},
                              {"foob", "Zm9vYg=="},
                              {"fooba", "Zm9vYmE="},
                              {"foobar", "Zm9vYmFy"}};
  for (const auto& v : vectors) {
    EXPECT_EQ(ToBase64(v[0]), v[1]);
    EXPECT_EQ(*FromBase64(v[1]), v[0]);
    std::string unpadded = v[1];
    while (!unpadded.empty() && unpadded.back() == '=') unpadded.pop_back();
    EXPECT_EQ(ToBase64Url(v[0]), unpadded);
    EXPECT_EQ(*FromBase64Url(unpadded), v[0]);
  }
}

TEST(Base64Test, AlphabetsDiffer) {
  EXPECT_EQ(ToBase64("\xfb\xff"), "+/8=");
  EXPECT_EQ(ToBase64Url("\xfb\xff"), "-_8");
  ExpectRefused(FromBase64Url("+/8"), "+/8");
  ExpectRefused(FromBase64("-_8="), "-_8=");
}

TEST(Base64Test, RefusesWhatIsNotCanonical) {
  for (const char* bad : {"Z", "Zg==", "Zg=", "Zh", "Zm9", "Zm8\n", " Zm8", "Zm8 ", "Zm9vY", "=", "Zm 9v"})
    ExpectRefused(FromBase64Url(bad), bad);
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "====", "Zg==Zg==", "Z===", "Zm9v\n", "Zm9vYg=", "=Zm9"})
    ExpectRefused(FromBase64(bad), bad);
}

TEST(Base64Test, RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(*FromBase64(ToBase64(bytes)), bytes);
    ASSERT_EQ(*FromBase64Url(ToBase64Url(bytes)), bytes);
    bytes.push_back(static_cast<char>(i * 7));
  }
}

}  // namespace
}  // namespace twi
