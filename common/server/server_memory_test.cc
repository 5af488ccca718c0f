// What a caller can make a server hold before anybody has asked who he is: messages that are still arriving.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/server/echo_server.h"
#include "common/testing/matchers.h"
#include "common/testing/raw_tls.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using testing::RawTls;
using testing::TestPki;

constexpr std::int64_t kMiB = 1 << 20;

std::string BigEndian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}
std::uint32_t NumberAt(const std::string& text, std::size_t at, int bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i)
    value = value << 8 | static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
  return value;
}

std::string Frame(int type, int flags, std::uint32_t stream, const std::string& payload) {
  return BigEndian(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         BigEndian(stream, 4) + payload;
}
// HPACK: a literal, never indexed.
std::string Header(const std::string& name, const std::string& value) {
  return '\x10' + std::string(1, static_cast<char>(name.size())) + name + static_cast<char>(value.size()) + value;
}

// A call of Open, by hand: HTTP/2 that announces a message and sends of it what the test says, and never its end.
class UnfinishedCall {
 public:
  UnfinishedCall(int port, const TestPki::Pair& pair, std::uint32_t announced)
      : tls_(port, {pair.certificate_pem, pair.key_pem, false, "h2"}) {
    const std::string headers = Header(":method", "POST") + Header(":scheme", "https") +
                                Header(":path", "/twi.testing.Echo/Open") + Header(":authority", "x") +
                                Header("content-type", "application/grpc") + Header("te", "trailers");
    open_ =
        tls_.Write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "") + Frame(kHeaders, 4, 1, headers));
    Data(std::string(1, '\0') + BigEndian(announced, 4));
  }
  // As fast as the server's windows allow; less when it has ended the call.
  std::int64_t Send(std::int64_t bytes) {
    std::int64_t sent = 0;
    while (open_ && sent < bytes) {
      const std::int64_t now = std::min({bytes - sent, connection_window_, stream_window_, std::int64_t{16384}});
      if (now <= 0) {
        Read();
        continue;
      }
      Data(std::string(static_cast<std::size_t>(now), 'x'));
      sent += now;
      while (open_ && tls_.HasInput()) Read();
    }
    return sent;
  }
  bool open() const { return open_; }

 private:
  static constexpr int kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoaway = 7, kWindowUpdate = 8;

  void Data(const std::string& bytes) {
    open_ = open_ && tls_.Write(Frame(kData, 0, 1, bytes));
    connection_window_ -= static_cast<std::int64_t>(bytes.size());
    stream_window_ -= static_cast<std::int64_t>(bytes.size());
  }
  void Read() {
    const std::string more = tls_.Read();
    open_ = open_ && !more.empty();
    in_ += more;
    while (in_.size() >= 9 && in_.size() >= 9 + NumberAt(in_, 0, 3)) {
      const std::size_t size = NumberAt(in_, 0, 3);
      if (in_[4] != 1 && (in_[3] == kSettings || in_[3] == kPing))  // acknowledged, as one must
        open_ = open_ && tls_.Write(Frame(in_[3], 1, 0, in_[3] == kPing ? in_.substr(9, size) : ""));
      Take(in_[3], NumberAt(in_, 5, 4), in_.substr(9, size));
      in_.erase(0, 9 + size);
    }
  }
  void Take(int type, std::uint32_t stream, const std::string& payload) {
    if (type == kWindowUpdate) (stream == 0 ? connection_window_ : stream_window_) += NumberAt(payload, 0, 4);
    for (std::size_t at = 0; type == kSettings && at + 6 <= payload.size(); at += 6) {
      if (NumberAt(payload, at, 2) != 4) continue;  // SETTINGS_INITIAL_WINDOW_SIZE
      stream_window_ += NumberAt(payload, at + 2, 4) - initial_window_;
      initial_window_ = NumberAt(payload, at + 2, 4);
    }
    if (type == kReset || type == kGoaway || (type == kHeaders && stream == 1)) open_ = false;
  }

  RawTls tls_;
  bool open_ = false;
  std::string in_;
  std::int64_t connection_window_ = 65535, stream_window_ = 65535, initial_window_ = 65535;
};

std::int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

class ServerMemoryTest : public ::testing::Test {
 protected:
  ServerMemoryTest() : pki_(absl::Now()), echo_(pki_) {
    echo_.config.set_max_receive_memory_bytes(16 * kMiB);
    TestPki::Options anybody;
    anybody.self_signed = true;
    anybody.uri_sans = std::vector<std::string>();
    stranger_ = pki_.Make("", anybody);
  }
  void Start() {
    ASSERT_OK(echo_.Start());
    identity_ = *client::Identity::FromFiles(pki_.Issue("client", kClientId));
    ASSERT_TRUE(Honest());
    before_ = ResidentBytes();
  }
  bool Honest() { return Say(*echo_.Stub(*identity_)).status.ok(); }
  std::int64_t Grown() const {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;  // they keep what is freed
#else
    return (ResidentBytes() - before_) / kMiB;
#endif
  }

  TestPki pki_;
  EchoServer echo_;
  TestPki::Pair stranger_;
  std::shared_ptr<client::Identity> identity_;
  std::int64_t before_ = 0;
};

// gRPC compares with its limit only what has arrived whole: without the bound 256 MiB sent are 294 MiB held.
TEST_F(ServerMemoryTest, CutsAMessageThatAnnouncesFarTooMuch) {
  Start();
  UnfinishedCall call(echo_.server->port(), stranger_, 1 << 30);
  const std::int64_t sent = call.Send(256 * kMiB);
  EXPECT_FALSE(call.open());
  EXPECT_LT(sent, 64 * kMiB);
  EXPECT_LT(Grown(), 64) << "MiB, with " << sent / kMiB << " MiB sent";
  EXPECT_TRUE(Honest());
}

// Without the bound they hold more than 80 MiB.
TEST_F(ServerMemoryTest, ManySlowRequestsStayWithinTheBound) {
  Start();
  std::vector<std::unique_ptr<UnfinishedCall>> calls;
  std::int64_t sent = 0, most = 0;
  int served = 0;
  for (int i = 0; i < 200; ++i) {
    calls.push_back(std::make_unique<UnfinishedCall>(echo_.server->port(), stranger_, 500000));
    sent += calls.back()->Send(480000);
    most = std::max(most, Grown());
    if (i % 20 == 19 && Honest()) ++served;
  }
  EXPECT_GE(served, 8) << "of 10 beside them";
  EXPECT_LT(most, 64) << "MiB, with " << sent / kMiB << " MiB sent";
  calls.clear();
  EXPECT_TRUE(Honest());
}

}  // namespace
}  // namespace twi::server
