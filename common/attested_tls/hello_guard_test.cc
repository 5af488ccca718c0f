// The announced length of a ClientHello, in whatever pieces and records its header comes.
#include "common/attested_tls/hello_guard.h"

#include <vector>

#include "common/attested_tls/code_points.h"
#include "gtest/gtest.h"

namespace twi::atls {
namespace {

std::string Number(std::size_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
  return out;
}
std::string Record(char type, const std::string& fragment) {
  return std::string(1, type) + "\x03\x01" + Number(fragment.size(), 2) + fragment;
}
std::string Hello(std::size_t body, std::size_t announced) {
  return std::string("\x01", 1) + Number(announced, 3) + std::string(body, 'x');
}
constexpr std::size_t kMost = kMaxClientHello - 4;  // announced, without the header

TEST(HelloGuardTest, TakesWhatIsWithinTheLimit) {
  HelloGuard guard;
  EXPECT_TRUE(guard.Take(Record(22, Hello(500, 500))));
  EXPECT_TRUE(guard.Take(Record(22, Hello(100, kMost))));
}

TEST(HelloGuardTest, RefusesFromTheHeaderOn) {
  EXPECT_FALSE(HelloGuard().Take(Record(22, Hello(0, kMost + 1))));
  EXPECT_FALSE(HelloGuard().Take(Record(22, Hello(0, 131'396))));
  EXPECT_FALSE(HelloGuard().Take(Record(22, Hello(0, 0xFFFFFF))));
}

TEST(HelloGuardTest, SeesAHeaderThatArrivesByteByByte) {
  HelloGuard guard;
  const std::string bytes = Record(22, Hello(0, kMost + 1));
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) EXPECT_TRUE(guard.Take(bytes.substr(i, 1))) << i;
  EXPECT_FALSE(guard.Take(bytes.substr(bytes.size() - 1)));
}

TEST(HelloGuardTest, SeesAHeaderInRecordsOfOneByte) {
  HelloGuard guard;
  const std::string hello = Hello(0, kMost + 1);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(guard.Take(Record(22, hello.substr(i, 1)))) << i;
  EXPECT_TRUE(guard.Take(Record(22, "")));
  EXPECT_FALSE(guard.Take(Record(22, hello.substr(3, 1))));
}

// After a HelloRetryRequest; also behind what may stand between the two (RFC 8446 appendix D.4 and section 4.2.10).
TEST(HelloGuardTest, SeesTheSecondClientHello) {
  const std::string between[] = {"", Record(20, "\x01"), Record(23, std::string(400, 'e'))};
  for (const std::string& other : between) {
    HelloGuard guard;
    EXPECT_TRUE(guard.Take(Record(22, Hello(200, 200))));
    EXPECT_TRUE(guard.Take(other));
    EXPECT_FALSE(guard.Take(Record(22, Hello(0, kMost + 1))));
  }
}

TEST(HelloGuardTest, LeavesTheRestToOpenssl) {
  EXPECT_TRUE(HelloGuard().Take("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(HelloGuard().Take(Record(22, std::string("\x02\xFF\xFF\xFF", 4))));  // no ClientHello
  EXPECT_TRUE(HelloGuard().Take(Record(23, Hello(0, 0xFFFFFF))));                  // encrypted
}

}  // namespace
}  // namespace twi::atls
