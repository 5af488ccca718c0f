// Floods, giants and sluggards: what a hostile client can make the server spend, through the real door.
#include <future>
#include <thread>

#include "absl/time/clock.h"
#include "common/http/served.h"
#include "common/http/server.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::http {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TestPki;
using ::testing::UnorderedElementsAre;

class HttpLimitsTest : public ::testing::Test {
 protected:
  HttpLimitsTest() : pki_(absl::Now()), served_(pki_, absl::Now()), client_(pki_.Make(kClientId, {})) {}

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
  options.silent = true;
  RawTls silent(served_.server->port(), options);
  EXPECT_TRUE(silent.AwaitClosed());
}

TEST_F(HttpLimitsTest, EndsAnIdleConnectionWithoutAWord) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  RawTls idle = Connect();
  ASSERT_TRUE(idle.handshake_done());
  EXPECT_TRUE(idle.AwaitClosed());
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
  const absl::Time end = absl::Now() + absl::Seconds(5);
  // Others are served meanwhile, which takes the time between two bytes.
  while (!tls.HasInput() && absl::Now() < end && tls.Write("a")) EXPECT_THAT(Ask(Get("/items/a")), EndsWith("a"));
  ASSERT_TRUE(tls.HasInput()) << "still no answer";
  EXPECT_THAT(tls.ReadResponse(), HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(HttpLimitsTest, RefusesASlowBodyByName) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  RawTls tls = Connect();
  ASSERT_TRUE(tls.Write("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel"));
  EXPECT_THAT(tls.ReadResponse(), HasSubstr("DEADLINE_EXCEEDED"));
}

// A read cannot be cancelled in the moment when a record comes: with many records around the end of the time, some
// connections would get away, and be open for ever once their clients fall silent.
TEST_F(HttpLimitsTest, EndsConnectionsWhoseBytesComeThickAndFastWhenTheirTimeIsOver) {
  BeImpatient();
  ASSERT_OK(served_.Start());
  std::vector<RawTls> bursts;
  for (int i = 0; i < 8; ++i) {
    bursts.push_back(Connect());
    ASSERT_TRUE(
        bursts.back().Write(absl::StrCat("POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: ", kMaxSink, "\r\n\r\n")));
  }
  for (const absl::Time end = absl::Now() + absl::Milliseconds(500); absl::Now() < end;) {
    for (RawTls& tls : bursts) tls.Write("a");
  }
  for (RawTls& tls : bursts) EXPECT_TRUE(tls.AwaitClosed());
}

// Who is slow with a body takes no place from those who are at work.
TEST_F(HttpLimitsTest, ServesBesidesMoreSlowBodiesThanMayBeInFlight) {
  served_.config.set_max_concurrent_requests(2);
  ASSERT_OK(served_.Start());
  std::vector<RawTls> slow;
  for (int i = 0; i < 5; ++i) {
    slow.push_back(Connect());
    ASSERT_TRUE(
        slow.back().Write("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
    ASSERT_THAT(slow.back().ReadResponse(), StartsWith("HTTP/1.1 100 ")) << "its header has been read";
  }
  EXPECT_THAT(Ask(Get("/items/a")), EndsWith("a"));
  for (RawTls& tls : slow) {
    ASSERT_TRUE(tls.Write("hello"));
    EXPECT_THAT(tls.ReadResponse(), EndsWith(":hello"));
  }
}

// All workers are held: of two more requests one waits for a worker, the other is one too many.
TEST_F(HttpLimitsTest, RefusesWhatHasWaitedForAWorkerTooLong) {
  constexpr int kWorkers = 4;  // of server.cc
  served_.config.set_max_concurrent_requests(kWorkers + 1);
  ASSERT_OK(served_.Start());
  std::vector<RawTls> held;
  for (int i = 0; i < kWorkers; ++i) {
    held.push_back(Connect());
    ASSERT_TRUE(held.back().Write(Get("/hold")));
  }
  served_.latch.AwaitEntered(kWorkers);
  RawTls one = Connect(), two = Connect();
  ASSERT_TRUE(one.Write(Get("/items/a")) && two.Write(Get("/items/a")));
  served_.outcomes.Await(v1::DENY_REASON_OVERLOADED);  // so the other one has been taken
  served_.clock.Advance(absl::Seconds(11));
  served_.latch.Release();
  const std::string first = one.ReadResponse(), second = two.ReadResponse();
  EXPECT_THAT((std::vector<std::string>{first, second}),
              UnorderedElementsAre(AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("OVERLOADED")),
                                   AllOf(StartsWith("HTTP/1.1 504 "), HasSubstr("DEADLINE_EXCEEDED"))));
  for (RawTls& tls : held) EXPECT_THAT(tls.ReadResponse(), EndsWith("held"));
  ASSERT_TRUE(one.Write(Get("/items/b")) && two.Write(Get("/items/b"))) << "both connections are still good";
  EXPECT_THAT(one.ReadResponse(), EndsWith("b"));
  EXPECT_THAT(two.ReadResponse(), EndsWith("b"));
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

// Connections that come while it stops are ended with the rest, or never begin.
TEST_F(HttpLimitsTest, DrainEndsConnectionsThatComeMeanwhile) {
  ASSERT_OK(served_.Start());
  std::vector<RawTls> all;
  std::promise<void> begun;
  std::thread clients([&] {
    all.push_back(Connect());
    begun.set_value();
    while (all.back().handshake_done()) all.push_back(Connect());
  });
  begun.get_future().wait();
  const absl::Time begin = absl::Now();
  served_.server->Drain();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(8)) << "before drain_timeout, which is 10 s";
  clients.join();
  for (std::size_t i = 0; i + 1 < all.size(); ++i) EXPECT_TRUE(all[i].AwaitClosed());
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
