// Health as a probe sees it, over the real connection: who may ask, and when the answer is no.
#include "common/server/health.h"

#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/log/log.h"
#include "common/server/echo_server.h"
#include "common/server/probe.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "common/trace/trace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TestPki;

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() : pki_(absl::Now()), clock_(absl::Now()), config_(EchoConfig(pki_)) {}
  ~HealthTest() override { latch_.Release(); }

  void Start(HealthChecks checks = {}) {
    auto started = Server::Start(config_, clock_, EchoServices(), std::move(checks));
    ASSERT_OK(started);
    server_ = *std::move(started);
  }
  Server::MakeServices EchoServices() {
    return OneService(testing::Echo::service_full_name(),
                      [this](Gate& gate) { return std::make_unique<EchoService>(gate, clock_, latch_); });
  }
  void AllowCheck(const std::string& peer) {
    auto* allow = config_.add_allow();
    allow->set_rpc(kHealthRpc);
    allow->add_peers(peer);
  }
  ProbeResult Ask(absl::string_view question) const { return Probe(config_, server_->port(), question); }

  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& spiffe_id, absl::Duration ends = absl::Hours(24)) {
    TestPki::Options options;
    options.ends = ends;
    const auto identity = client::Identity::FromFiles(pki_.Issue("asker", spiffe_id, options));
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", server_->port()));
    peer.set_spiffe_id(kServerId);
    return *client::MakeChannel(peer, **identity);
  }
  static grpc::Status CheckOver(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                                grpc::health::v1::HealthCheckResponse& response, const std::string& traceparent = "") {
    grpc::ClientContext context;
    if (!traceparent.empty()) context.AddMetadata(trace::kTraceparent, traceparent);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    return grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  }

  TestPki pki_;
  testing::FakeClock clock_;
  config::v1::Server config_;
  Latch latch_;
  std::unique_ptr<Server> server_;
};

TEST_F(HealthTest, TheDaemonMayAskItselfAllThreeQuestions) {
  Start();
  for (const char* question : {"live", "ready", "started"}) {
    const ProbeResult result = Ask(question);
    EXPECT_TRUE(result.good) << result.line;
    EXPECT_EQ(result.line, question);
  }
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(CheckOver(ChannelOf(kServerId), "", response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING) << "the empty name is ready";
}

TEST_F(HealthTest, AnotherPeerMayAskWhenConfigNamesIt) {
  AllowCheck("spiffe://test.example/load-balancer");
  Start();
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(CheckOver(ChannelOf("spiffe://test.example/load-balancer"), "ready", response).ok());
  EXPECT_EQ(CheckOver(ChannelOf("spiffe://test.example/load-balancer"), "other", response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthTest, RefusesEverybodyElse) {
  Start();
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status client = CheckOver(ChannelOf(kClientId), "live", response);
  EXPECT_THAT(client::FromGrpc(client, "Check"), StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
  EXPECT_EQ(client.error_message(), "PEER_NOT_ALLOWED");
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::UNKNOWN);
  ASSERT_OK_AND_ASSIGN(const auto workload,
                       client::Identity::AttestedKey(config_.tls().trust_bundle_file(), absl::Now()));
  config::v1::Peer peer;
  peer.set_address(absl::StrCat("127.0.0.1:", server_->port()));
  peer.set_spiffe_id(kServerId);
  ASSERT_OK_AND_ASSIGN(const auto channel, client::MakeChannel(peer, *workload));
  EXPECT_THAT(client::FromGrpc(CheckOver(channel, "live", response), "Check"),
              StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(HealthTest, RefusesAConfigThatLetsWorkloadsAsk) {
  AllowCheck("attested_key");
  const auto started = Server::Start(config_, clock_, EchoServices());
  EXPECT_THAT(started, StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("a probe or an operator has a certificate")));
}

TEST_F(HealthTest, NotReadyAndNotStartedAreSaidWithTheirReason) {
  absl::Status ready = Deny(v1::DENY_REASON_STORAGE_FAILED, "disk\nfull");
  Start({[&] { return ready; }, [] { return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "none yet"); }});
  EXPECT_TRUE(Ask("live").good);
  EXPECT_FALSE(Ask("ready").good);
  EXPECT_EQ(Ask("ready").line, "not ready: STORAGE_FAILED: disk?full");
  EXPECT_FALSE(Ask("started").good);
  EXPECT_EQ(Ask("started").line, "not started: CREDENTIAL_INVALID: none yet");
  ready = absl::OkStatus();
  EXPECT_TRUE(Ask("ready").good);
}

TEST_F(HealthTest, AnExpiredCertificateIsNotReady) {
  AllowCheck("spiffe://test.example/load-balancer");
  Start();
  const auto channel = ChannelOf("spiffe://test.example/load-balancer", absl::Hours(48));
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(CheckOver(channel, "ready", response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  clock_.Advance(absl::Hours(25));
  ASSERT_TRUE(CheckOver(channel, "ready", response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(CheckOver(channel, "live", response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING) << "a restart would not mend it";
}

TEST_F(HealthTest, DrainingIsLiveButNotReady) {
  Start();
  std::thread held([this] {
    grpc::ClientContext context;
    testing::SayResponse response;
    (void)testing::Echo::NewStub(ChannelOf(kClientId))->Hold(&context, testing::SayRequest(), &response);
  });
  latch_.AwaitEntered(1);
  std::thread drain([this] { server_->Drain(); });
  while (Ask("ready").good) std::this_thread::yield();
  EXPECT_EQ(Ask("ready").line, "not ready: DEPENDENCY_UNAVAILABLE: draining");
  EXPECT_TRUE(Ask("live").good);
  latch_.Release();
  held.join();
  drain.join();
  EXPECT_FALSE(Ask("live").good) << "gone";
}

TEST_F(HealthTest, FilesThatCannotBeUsedAreNotReadyButLive) {
  Start();
  TestPki::Options past;
  past.starts = -absl::Hours(2);
  past.ends = -absl::Hours(1);
  pki_.Issue("server", kServerId, past);  // the server keeps what it has
  const ProbeResult ready = Ask("ready");
  EXPECT_FALSE(ready.good);
  EXPECT_THAT(ready.line, HasSubstr("expired at"));
  EXPECT_FALSE(Ask("started").good);
  const ProbeResult live = Ask("live");
  EXPECT_TRUE(live.good) << live.line;
  EXPECT_THAT(live.line, HasSubstr("it answers TLS, but"));
}

TEST_F(HealthTest, NobodyListening) {
  Start();
  const int port = server_->port();
  server_.reset();
  for (const char* question : {"live", "ready", "started"})
    EXPECT_FALSE(Probe(config_, port, question).good) << question;
  EXPECT_THAT(Probe(config_, 0, "ready").line, HasSubstr("port 0"));
  config_.clear_listen();
  EXPECT_THAT(Probe(config_, 0, "ready").line, HasSubstr("nothing to ask"));
}

TEST_F(HealthTest, AnotherServiceAtTheAddressIsNotTheDaemon) {
  Start();
  config::v1::Server mine = config_;
  *mine.mutable_tls() = pki_.Issue("other", "spiffe://test.example/twi/other");
  EXPECT_FALSE(Probe(mine, server_->port(), "ready").good);
}

TEST_F(HealthTest, AUnixSocketAnswersItsUser) {
  testing::TempDir dir;
  config_.Clear();
  config_.set_listen("unix:" + dir.File("s"));
  auto* allow = config_.add_allow();
  allow->set_rpc("Say");
  allow->add_peers(absl::StrCat("uid:", getuid()));
  std::atomic<bool> ready{false};
  Start({[&] { return ready ? absl::OkStatus() : Deny(v1::DENY_REASON_CREDENTIAL_INVALID, "expired"); }, nullptr});
  EXPECT_EQ(Ask("ready").line, "not ready: CREDENTIAL_INVALID: expired");
  ready = true;
  EXPECT_TRUE(Ask("ready").good);
  server_.reset();
  EXPECT_FALSE(Probe(config_, 0, "live").good) << "gone";
}

TEST_F(HealthTest, LogsAChangeOfReadinessOnceAndNoAnswers) {
  testing::TempDir dir;
  config::v1::Log log_config;
  log_config.set_file(dir.File("log"));
  ASSERT_OK(log::Init(log_config, "echo"));
  std::atomic<bool> ready{false};
  Start({[&] { return ready ? absl::OkStatus() : Deny(v1::DENY_REASON_KEY_UNKNOWN, "gone"); }, nullptr});
  for (int i = 0; i < 3; ++i) (void)Ask("ready");
  ready = true;
  for (int i = 0; i < 3; ++i) (void)Ask("ready");
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  const std::string log = dir.Read("log");
  const auto count = [&](const std::string& text) {
    int n = 0;
    for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("\"event\":\"not_ready\",\"reason\":\"KEY_UNKNOWN\""), 1) << log;
  EXPECT_EQ(count("\"event\":\"ready\""), 1);
  EXPECT_EQ(count("\"audit\":true"), 0);
}

// A refused caller's line is found like every other: by its trace, or by one that was made for it.
TEST_F(HealthTest, ARefusedCheckIsAuditedWithATraceId) {
  testing::TempDir dir;
  config::v1::Log log_config;
  log_config.set_file(dir.File("log"));
  ASSERT_OK(log::Init(log_config, "echo"));
  Start();
  const auto channel = ChannelOf(kClientId);
  grpc::health::v1::HealthCheckResponse response;
  const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
  EXPECT_FALSE(CheckOver(channel, "live", response, "00-" + id + "-00f067aa0ba902b7-01").ok());
  EXPECT_FALSE(CheckOver(channel, "live", response).ok());
  EXPECT_FALSE(CheckOver(channel, "live", response, "00-" + std::string(32, '0') + "-00f067aa0ba902b7-01").ok());
  server_.reset();
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  std::vector<std::string> ids;
  for (const absl::string_view line : absl::StrSplit(dir.Read("log"), '\n')) {
    if (!absl::StrContains(line, "\"event\":\"refused\"")) continue;
    EXPECT_THAT(line, HasSubstr("\"rpc\":\"Check\""));
    const std::string key = "\"trace_id\":\"";
    const std::size_t at = line.find(key);
    ASSERT_NE(at, absl::string_view::npos) << line;
    ids.emplace_back(line.substr(at + key.size(), 32));
  }
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0], id) << "the caller's";
  for (int i : {1, 2}) EXPECT_THAT(ids[static_cast<std::size_t>(i)], ::testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(ids[2], std::string(32, '0'));
  EXPECT_NE(ids[1], ids[2]);
  EXPECT_EQ(trace::Current(), nullptr);
}

}  // namespace
}  // namespace twi::server
