// Floods, giants and sluggards: what a hostile client can make the server spend, through the real door.
#include <thread>

#include "common/http/served.h"
#include "common/http/server.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TestPki;

class HttpLimitsTest : public ::testing::Test {
 protected:
  HttpLimitsTest() : pki_(absl::Now()), served_(pki_), client_(pki_.Make(kClientId, {})) {}

  RawTls Connect() { return served_.Connect(client_); }
  std::string Ask(const std::string& request) {
    RawTls tls = Connect();
    return tls.Write(request) ? tls.ReadResponse() : "";
  }
  static std::string Get(const std::string& path) { return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"); }
  void BeImpatient() { served_.config.mutable_request_timeout()->set_nanos(300'000'000); }

  TestPki pki_;
  Served served_;
  TestPki::Pair client_;
};

TEST_F(HttpLimitsTest, TakesABodyOfExactlyTheLimitAndNoMore) {
  ASSERT_OK(served_.Start());
  for (const auto& [size, status] : std::vector<std::pair<std::size_t, int>>{{kMaxEcho, 200}, {kMaxEcho + 1, 413}}) {
    EXPECT_THAT(Ask(absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ", size, "\r\n\r\n",
                                 std::string(size, 'a'))),
                StartsWith(absl::StrCat("HTTP/1.1 ", status)));
  }
}

TEST_F(HttpLimitsTest, RefusesAHugeBodyBeforeItIsSent) {
  ASSERT_OK(served_.Start());
  const std::string response = Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(response, HasSubstr("REQUEST_TOO_LARGE"));
  EXPECT_THAT(response, HasSubstr("Connection: close"));
}

TEST_F(HttpLimitsTest, TellsAClientThatSendsAHugeBodyAllTheSame) {
  ASSERT_OK(served_.Start());
  RawTls tls = Connect();
  ASSERT_TRUE(tls.Write("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
  for (int i = 0; i < 50; ++i) tls.Write(std::string(10000, 'a'));
  EXPECT_THAT(tls.ReadResponse(), HasSubstr("REQUEST_TOO_LARGE"));
}

TEST_F(HttpLimitsTest, RefusesAHugeChunkedBody) {
  ASSERT_OK(served_.Start());
  EXPECT_THAT(Ask(absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n",
                               std::string(0x400, 'a'), "\r\n0\r\n\r\n")),
              HasSubstr("REQUEST_TOO_LARGE"));
  EXPECT_THAT(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n"),
              HasSubstr("REQUEST_TOO_LARGE"));
}

TEST_F(HttpLimitsTest, RefusesABodyWhereNoneIsTaken) {
  ASSERT_OK(served_.Start());
  EXPECT_THAT(Ask("GET /items/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"), HasSubstr("REQUEST_TOO_LARGE"));
}

TEST_F(HttpLimitsTest, RefusesAHugeHeader) {
  ASSERT_OK(served_.Start());
  EXPECT_THAT(Ask(absl::StrCat("GET /items/a HTTP/1.1\r\nHost: x\r\nX: ", std::string(20000, 'a'), "\r\n\r\n")),
              HasSubstr("REQUEST_TOO_LARGE"));
  EXPECT_THAT(Ask(Get(absl::StrCat("/items/a?", std::string(5000, 'a')))), HasSubstr("REQUEST_TOO_LARGE"));
}

TEST_F(HttpLimitsTest, EndsAConnectionThatNeverShakesHands) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  RawTls::Options options;
  options.certificate_pem = "not a certificate";  // it connects to nothing and says nothing
  EXPECT_FALSE(RawTls(served_.server->port(), options).handshake_done());
  RawTls silent = Connect();
  EXPECT_TRUE(silent.AwaitClosed()) << "an idle connection is ended without a word";
}

TEST_F(HttpLimitsTest, RefusesASlowHeaderByName) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  RawTls tls = Connect();
  ASSERT_TRUE(tls.Write("GET /items/a HTTP/1.1\r\nHo"));
  const std::string response = tls.ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(response, HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_TRUE(tls.AwaitClosed());
}

// A byte now and then keeps nothing alive: the time is of the whole header.
TEST_F(HttpLimitsTest, RefusesADrippingHeaderByName) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  RawTls tls = Connect();
  ASSERT_TRUE(tls.Write("GET /items/a HTTP/1.1\r\nX: "));
  // Others are served meanwhile, which takes the time between two bytes.
  for (const absl::Time end = absl::Now() + absl::Milliseconds(600); absl::Now() < end && tls.Write("a");)
    EXPECT_THAT(Ask(Get("/items/a")), EndsWith("a"));
  EXPECT_THAT(tls.ReadResponse(), HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(HttpLimitsTest, RefusesASlowBodyByName) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  RawTls tls = Connect();
  ASSERT_TRUE(tls.Write("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel"));
  EXPECT_THAT(tls.ReadResponse(), HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(HttpLimitsTest, RefusesRequestsBeyondTheLimitInFlight) {
  served_.config.set_max_concurrent_requests(2);
  ASSERT_OK(served_.Start());
  RawTls one = Connect(), two = Connect();
  ASSERT_TRUE(one.Write(Get("/hold")));
  ASSERT_TRUE(two.Write(Get("/hold")));
  served_.latch.AwaitEntered(2);
  const std::string response = Ask(Get("/items/a"));
  EXPECT_THAT(response, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(response, HasSubstr("OVERLOADED"));
  served_.latch.Release();
  EXPECT_THAT(one.ReadResponse(), EndsWith("held"));
  EXPECT_THAT(two.ReadResponse(), EndsWith("held"));
  EXPECT_THAT(Ask(Get("/items/a")), EndsWith("a"));
}

TEST_F(HttpLimitsTest, ClosesConnectionsBeyondTheLimit) {
  served_.config.set_max_connections(2);
  ASSERT_OK(served_.Start());
  RawTls one = Connect(), two = Connect();
  ASSERT_TRUE(one.handshake_done() && two.handshake_done());
  EXPECT_FALSE(Connect().handshake_done());
  ASSERT_TRUE(one.Write(Get("/items/a")));
  EXPECT_THAT(one.ReadResponse(), EndsWith("a"));
}

// Connections that say nothing hold nobody up.
TEST_F(HttpLimitsTest, ServesBesidesManySilentConnections) {
  ASSERT_OK(served_.Start());
  std::vector<RawTls> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(Connect());
  EXPECT_THAT(Ask(Get("/items/a")), EndsWith("a"));
}

TEST_F(HttpLimitsTest, DrainAnswersWhatIsInFlightAndEndsTheRest) {
  ASSERT_OK(served_.Start());
  RawTls idle = Connect(), busy = Connect();
  ASSERT_TRUE(busy.Write(Get("/hold")));
  served_.latch.AwaitEntered(1);
  std::thread drain([this] { served_.server->Drain(); });
  EXPECT_TRUE(idle.AwaitClosed());
  EXPECT_FALSE(Connect().handshake_done());
  served_.latch.Release();
  const std::string response = busy.ReadResponse();
  EXPECT_THAT(response, EndsWith("held"));
  EXPECT_THAT(response, HasSubstr("Connection: close"));
  drain.join();
}

TEST_F(HttpLimitsTest, DrainCutsWhatTakesTooLong) {
  served_.config.mutable_drain_timeout()->set_nanos(100'000'000);
  served_.config.mutable_request_timeout()->set_nanos(300'000'000);
  ASSERT_OK(served_.Start());
  RawTls busy = Connect();
  ASSERT_TRUE(busy.Write(Get("/hold")));
  served_.latch.AwaitEntered(1);
  std::thread drain([this] { served_.server->Drain(); });
  EXPECT_TRUE(busy.AwaitClosed());
  served_.latch.Release();
  drain.join();
}

}  // namespace
}  // namespace twi::http
