// Metrics as a scraper gets them, over a Unix socket or HTTPS with mutual TLS, from a server that counts.
#include "common/server/metrics_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/http/client.h"
#include "common/server/echo_server.h"
#include "common/status/status_macros.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::StatusIs;

// Sends `text` and reads to the end; "" when the connection is closed at once.
std::string Exchange(const std::string& path, const std::string& text) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
      send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
  return answer;
}
constexpr char kScraperId[] = "spiffe://test.example/prometheus";
const char kGet[] = "GET /metrics HTTP/1.1\r\nHost: twi\r\n\r\n";

config::v1::Metrics Config(const std::string& path, std::uint32_t uid = getuid()) {
  config::v1::Metrics config;
  config.set_listen("unix:" + path);
  config.add_peers(absl::StrCat("uid:", uid));
  return config;
}

class MetricsListenerTest : public ::testing::Test {
 protected:
  SystemClock clock_;
  testing::TempDir dir_;
  const std::string path_ = dir_.File("metrics.sock");
};

TEST_F(MetricsListenerTest, AServerShowsWhatItCounted) {
  testing::TestPki pki(absl::Now());
  EchoServer echo(pki);
  *echo.config.mutable_metrics() = Config(path_);
  ASSERT_OK(echo.Start());
  ASSERT_OK_AND_ASSIGN(const auto identity, client::Identity::FromFiles(pki.Issue("client", kClientId)));
  const auto stub = echo.Stub(*identity);
  ASSERT_TRUE(Say(*stub).status.ok());
  EXPECT_FALSE(Open(*stub).status.ok());
  // It trusts the server, so it is the server that refuses: before the caller sees the call fail.
  testing::TestPki other_ca(absl::Now());
  config::v1::Tls tls = other_ca.Issue("x", kClientId);
  tls.set_trust_bundle_file(pki.Issue("y", kClientId).trust_bundle_file());
  ASSERT_OK_AND_ASSIGN(const auto foreign, client::Identity::FromFiles(tls));
  EXPECT_FALSE(Say(*echo.Stub(*foreign)).status.ok());
  const std::string text = Exchange(path_, kGet);
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  for (const char* line :
       {"twi_rpc_requests_total{outcome=\"OK\",rpc=\"Say\"} 1\n",
        "twi_rpc_requests_total{outcome=\"PEER_NOT_ALLOWED\",rpc=\"Open\"} 1\n",
        "twi_rpc_requests_total{outcome=\"OK\",rpc=\"Hold\"} 0\n", "twi_rpc_duration_seconds_count{rpc=\"Say\"} 1\n",
        "twi_refusals_total{reason=\"PEER_NOT_ALLOWED\"} 1\n", "twi_refusals_total{reason=\"GRANT_EXPIRED\"} 0\n",
        "twi_ready 1\n", "twi_rpc_in_flight 0\n", "process_start_time_seconds 1",
        "twi_certificate_expiry_timestamp_seconds 1"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, ContainsRegex("\ntwi_handshakes_refused_total [1-9][0-9]*\n"));
  EXPECT_THAT(text, Not(HasSubstr(kClientId))) << "no label is a peer's word";
  echo.server->Drain();
  EXPECT_THAT(Exchange(path_, kGet), HasSubstr("twi_ready 0\n")) << "to be seen until the end";
  echo.server.reset();
  EXPECT_EQ(Exchange(path_, kGet), "");
}

// increase() of a counter that appears with its first event misses that event: what rules ask of a server is there at
// 0.
TEST_F(MetricsListenerTest, EveryReasonIsThereBeforeItHappens) {
  testing::TestPki pki(absl::Now());
  EchoServer echo(pki);
  *echo.config.mutable_metrics() = Config(path_);
  ASSERT_OK(echo.Start());
  const std::string text = Exchange(path_, kGet);
  for (int reason = 1; reason < v1::DenyReason_ARRAYSIZE; ++reason) {
    if (!v1::DenyReason_IsValid(reason)) continue;
    const std::string name = DenyReasonName(static_cast<DenyReason>(reason));
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\ntwi_refusals_total{reason=\"", name, "\"} 0\n")));
  }
  EXPECT_THAT(text, HasSubstr("\ntwi_handshakes_refused_total 0\n"));
}

TEST_F(MetricsListenerTest, AnswersNothingButGetMetrics) {
  metrics::Metrics metrics;
  ASSERT_OK_AND_ASSIGN(const auto listener, MetricsListener::Start(Config(path_), "metrics", metrics, clock_));
  EXPECT_THAT(Exchange(path_, "GET /metrics?x=1 HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Exchange(path_, "POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405"));
  for (const char* other :
       {"GET / HTTP/1.1\r\n\r\n", "GET /metrics/ HTTP/1.1\r\n\r\n", "GET /../metrics HTTP/1.1\r\n\r\n"})
    EXPECT_THAT(Exchange(path_, other), StartsWith("HTTP/1.1 404")) << other;
  for (const char* rubbish : {"\r\n\r\n", "GET\r\n\r\n", "GET /metrics\r\n\r\n", "GET /metrics HTTP/2\r\n\r\n",
                              "GET  /metrics HTTP/1.1\r\n\r\n", "\x16\x03\x01\r\n\r\n"}) {
    EXPECT_THAT(Exchange(path_, rubbish), ::testing::AnyOf(StartsWith("HTTP/1.1 400"), "")) << rubbish;
  }
  EXPECT_EQ(Exchange(path_, "GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"), "");
  EXPECT_THAT(Exchange(path_, kGet), StartsWith("HTTP/1.1 200")) << "it goes on";
}

TEST_F(MetricsListenerTest, RefusesAnotherUser) {
  metrics::Metrics metrics;
  ASSERT_OK_AND_ASSIGN(const auto listener,
                       MetricsListener::Start(Config(path_, getuid() + 1), "metrics", metrics, clock_));
  EXPECT_EQ(Exchange(path_, kGet), "");
}

TEST_F(MetricsListenerTest, RefusesBadConfigs) {
  metrics::Metrics metrics;
  const auto expect_refused = [&](const config::v1::Metrics& config) {
    EXPECT_THAT(MetricsListener::Start(config, "metrics", metrics, clock_), StatusIs(v1::DENY_REASON_CONFIG_INVALID))
        << config.ShortDebugString();
    EXPECT_THAT(CheckMetricsConfig(config, "metrics"), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  };
  expect_refused({});
  config::v1::Metrics config = Config(path_);
  config.clear_peers();
  expect_refused(config);
  for (const char* peer : {"", "1000", "uid:", "uid:x", "uid:-1", "spiffe://test.example/prometheus", "anonymous"}) {
    config.clear_peers();
    config.add_peers(peer);
    expect_refused(config);
  }
  config = Config(path_);
  config.add_peers(config.peers(0));
  expect_refused(config);
  for (const char* listen : {"unix:", "unix:relative", "127.0.0.1:9464", "0.0.0.0:9464", "localhost:0", ":0"}) {
    config = Config(path_);
    config.set_listen(listen);
    expect_refused(config);
  }
  config = Config(path_);
  config.set_listen("unix:/" + std::string(107, 'x'));
  expect_refused(config);
  config = Config(path_);
  config.mutable_tls()->set_key_file("/nowhere");
  expect_refused(config);
}

class MetricsOverTlsTest : public MetricsListenerTest {
 protected:
  MetricsOverTlsTest() : pki_(absl::Now()) {
    config_.set_listen("127.0.0.1:0");
    config_.add_peers(kScraperId);
    *config_.mutable_tls() = pki_.Issue("server", kServerId);
  }
  absl::StatusOr<http::ClientResponse> Scrape(const MetricsListener& listener, const char* spiffe_id,
                                              const std::string& path = "/metrics") {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", listener.port()));
    peer.set_spiffe_id(kServerId);
    TWI_ASSIGN_OR_RETURN(const auto client, http::Client::Make(peer, pki_.Issue("scraper", spiffe_id), clock_));
    http::ClientRequest request;
    request.path = path;
    return client->Send(request, absl::Now() + absl::Seconds(10));
  }

  testing::TestPki pki_;
  config::v1::Metrics config_;
  metrics::Metrics metrics_;
};

TEST_F(MetricsOverTlsTest, ServesThePeersThatConfigNames) {
  const metrics::Metrics::Token ready = metrics_.Sample("twi_ready", {}, [] { return 1; });
  ASSERT_OK_AND_ASSIGN(const auto listener, MetricsListener::Start(config_, "metrics", metrics_, clock_));
  ASSERT_OK_AND_ASSIGN(const http::ClientResponse scraped, Scrape(*listener, kScraperId));
  EXPECT_EQ(scraped.status, 200);
  EXPECT_EQ(scraped.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(scraped.body, HasSubstr("\ntwi_ready 1\n"));
  ASSERT_OK_AND_ASSIGN(const http::ClientResponse other, Scrape(*listener, kScraperId, "/"));
  EXPECT_EQ(other.status, 404);
}

TEST_F(MetricsOverTlsTest, RefusesOtherPeers) {
  ASSERT_OK_AND_ASSIGN(const auto listener, MetricsListener::Start(config_, "metrics", metrics_, clock_));
  ASSERT_OK_AND_ASSIGN(const http::ClientResponse refused, Scrape(*listener, kClientId));
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, Not(HasSubstr("twi_")));
}

TEST_F(MetricsOverTlsTest, RefusesBadConfigs) {
  const auto expect_refused = [&](const config::v1::Metrics& config) {
    EXPECT_THAT(MetricsListener::Start(config, "metrics", metrics_, clock_), StatusIs(v1::DENY_REASON_CONFIG_INVALID))
        << config.ShortDebugString();
  };
  for (const char* peer : {"", "uid:0", "attested_key", "anonymous", "https://test.example/x"}) {
    config::v1::Metrics config = config_;
    config.set_peers(0, peer);
    expect_refused(config);
    EXPECT_THAT(CheckMetricsConfig(config, "metrics"), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  }
  config::v1::Metrics config = config_;
  config.clear_tls();
  expect_refused(config);
  EXPECT_THAT(CheckMetricsConfig(config, "metrics"), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config = config_;
  config.set_listen("localhost:0");
  expect_refused(config);
  config = config_;
  config.mutable_tls()->set_key_file("/nowhere");
  expect_refused(config);
}

TEST_F(MetricsListenerTest, DoesNotReplaceAFile) {
  metrics::Metrics metrics;
  dir_.Write("metrics.sock", "a file");
  EXPECT_THAT(MetricsListener::Start(Config(path_), "metrics", metrics, clock_),
              StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

}  // namespace
}  // namespace twi::server
