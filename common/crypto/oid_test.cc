#include "common/crypto/oid.h"

#include "common/encoding/encoding.h"
#include "gtest/gtest.h"

namespace twi::crypto {
namespace {

TEST(OidTest, KnownEncodings) {
  EXPECT_EQ(ToHex(*EncodeOid("1.2.840.113549.1.1.11")), "2a864886f70d01010b");
  EXPECT_EQ(ToHex(*EncodeOid("2.5.29.17")), "551d11");
  // ITU-T X.667 section 8's UUID f81d4fae-7dec-11d0-a765-00a0c91e6bf6.
  EXPECT_EQ(ToHex(*EncodeOid("2.25.329800735698586629295641978511506172918")),
            "6983f09da7ebcfdee0c7a1a7b2c0948cc8f9d776");
}

TEST(OidTest, TripsBothWays) {
  for (const char* oid :
       {"0.0", "1.39", "2.40", "2.999.3", "1.3.6.1.4.1.3704.1.3.8", "2.25.340282366920938463463374607431768211455"}) {
    EXPECT_EQ(DecodeOid(*EncodeOid(oid)), oid);
  }
}

TEST(OidTest, RefusesWhatIsNone) {
  for (const char* oid : {"", "1", "1.", ".1", "3.1", "1.40", "1.02", "1.2.x", "1.2.-1",
                          "2.25.340282366920938463463374607431768211456"}) {
    EXPECT_FALSE(EncodeOid(oid).has_value()) << oid;
  }
  EXPECT_EQ(DecodeOid(""), "");
  EXPECT_EQ(DecodeOid(std::string("\x2a\x80\x01", 3)), "");  // not minimal
  EXPECT_EQ(DecodeOid(std::string("\x2a\x86", 2)), "");      // cut
  EXPECT_EQ(DecodeOid("\x2a" + std::string(20, '\xff') + "\x01"), "");
}

}  // namespace
}  // namespace twi::crypto
