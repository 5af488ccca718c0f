#include "common/client/channel.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/server/echo_server.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::client {
namespace {

using server::EchoServer;
using server::kClientId;
using server::kServerId;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TestPki;

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() : pki_(absl::Now()) {
    peer_.set_address("127.0.0.1:1");
    peer_.set_spiffe_id(kServerId);
  }
  std::shared_ptr<Identity> Service() { return *Identity::FromFiles(pki_.Issue("client", kClientId)); }
  TestPki pki_;
  config::v1::Peer peer_;
};

TEST_F(ChannelTest, RefusesBadPeers) {
  const auto identity = Service();
  EXPECT_OK(MakeChannel(peer_, *identity));
  for (const char* address : {"", "host", ":1", "host:", "host:0", "host:65536", "host:+1", "host: 1", "a:b:80",
                              "::1:80", "[]:80", "dns:///host:1", "unix:/x:1", "https://host:1"}) {
    config::v1::Peer bad = peer_;
    bad.set_address(address);
    EXPECT_THAT(MakeChannel(bad, *identity), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("peer.address")))
        << address;
  }
  peer_.set_address("[::1]:80");
  EXPECT_OK(MakeChannel(peer_, *identity));
  config::v1::Peer bad = peer_;
  bad.set_spiffe_id("");
  EXPECT_THAT(MakeChannel(bad, *identity), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("peer.spiffe_id")));
  bad = peer_;
  bad.mutable_timeout();
  EXPECT_THAT(MakeChannel(bad, *identity), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("peer.timeout")));
}

TEST_F(ChannelTest, RefusesBadIdentityFiles) {
  auto tls = pki_.Issue("client", kClientId);
  pki_.dir().Write("client.key", "rubbish");
  EXPECT_THAT(Identity::FromFiles(tls), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_THAT(Identity::AttestedKey("/nonexistent", absl::Now()), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(ChannelTest, EveryAttestedKeyIsFresh) {
  pki_.Issue("x", kClientId);
  ASSERT_OK_AND_ASSIGN(const auto a, Identity::AttestedKey(pki_.dir().File("ca.crt"), absl::Now()));
  ASSERT_OK_AND_ASSIGN(const auto b, Identity::AttestedKey(pki_.dir().File("ca.crt"), absl::Now()));
  EXPECT_EQ(a->key_sha256().size(), 32u);
  EXPECT_NE(a->key_sha256(), b->key_sha256());
}

TEST_F(ChannelTest, UnreachablePeerIsUnavailable) {
  ASSERT_OK_AND_ASSIGN(const auto channel, MakeChannel(peer_, *Service()));
  EXPECT_THAT(FromGrpc(server::Say(*testing::Echo::NewStub(channel)).status, "Say"),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, HasSubstr("Say: ")));
}

TEST_F(ChannelTest, ReconnectsToARestartedPeer) {
  EchoServer first(pki_);
  ASSERT_OK(first.Start());
  const auto identity = Service();
  const auto stub = first.Stub(*identity);
  ASSERT_TRUE(server::Say(*stub).status.ok());
  EchoServer second(pki_);
  second.config.set_listen(first.AsPeer().address());
  first.server.reset();
  ASSERT_OK(second.Start());
  const absl::Status status = RetryUnavailable(100, absl::Now() + absl::Seconds(10),
                                               [&] { return FromGrpc(server::Say(*stub).status, "Say"); });
  EXPECT_OK(status);
}

// A server with plain gRPC TLS and nothing of ours: what the client must not be satisfied with.
class PlainTlsServer {
 public:
  explicit PlainTlsServer(const TestPki::Pair& pair) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({pair.key_pem, pair.certificate_pem});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  int port() const { return port_; }

 private:
  class OkService final : public testing::Echo::Service {
    grpc::Status Say(grpc::ServerContext*, const testing::SayRequest*, testing::SayResponse*) override {
      return grpc::Status::OK;
    }
  } service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class WrongServerTest : public ChannelTest {
 protected:
  absl::Status Call(const TestPki::Pair& pair) {
    PlainTlsServer server(pair);
    peer_.set_address(absl::StrCat("127.0.0.1:", server.port()));
    const auto identity = Service();
    return FromGrpc(server::Say(*testing::Echo::NewStub(*MakeChannel(peer_, *identity))).status, "Say");
  }
  // Not "unavailable": trying again does not help, and the operator is to see what was expected.
  void Refuses(const TestPki::Pair& pair, const std::string& says) {
    EXPECT_THAT(Call(pair),
                StatusIs(v1::DENY_REASON_SERVER_UNAUTHENTICATED,
                         AllOf(HasSubstr(absl::StrCat("Say: expected ", kServerId, ": ")), HasSubstr(says))));
  }
};

TEST_F(WrongServerTest, AcceptsTheRightOne) { EXPECT_OK(Call(pki_.Make(kServerId, {}))); }
TEST_F(WrongServerTest, RefusesAnotherService) {
  EXPECT_THAT(
      Call(pki_.Make("spiffe://test.example/twi/other", {})),
      StatusIs(v1::DENY_REASON_SERVER_IDENTITY_MISMATCH,
               HasSubstr(absl::StrCat("expected ", kServerId, ", the server is spiffe://test.example/twi/other"))));
}
TEST_F(WrongServerTest, RefusesExpired) {
  TestPki::Options options;
  options.ends = -absl::Minutes(1);
  Refuses(pki_.Make(kServerId, options), "");
}
TEST_F(WrongServerTest, RefusesSelfSigned) {
  TestPki::Options options;
  options.self_signed = true;
  Refuses(pki_.Make(kServerId, options), kServerId);
  options.uri_sans = std::vector<std::string>();
  Refuses(pki_.Make(kServerId, options), "URI SAN");  // attested_key is for clients only
}
TEST_F(WrongServerTest, RefusesForeignCa) { Refuses(TestPki(absl::Now()).Make(kServerId, {}), kServerId); }
TEST_F(WrongServerTest, RefusesClientOnlyCertificate) {
  TestPki::Options options;
  options.extended_key_usage = {crypto::kEkuClientAuth};
  Refuses(pki_.Make(kServerId, options), "");
}
TEST_F(WrongServerTest, RefusesTwoIdentities) {
  TestPki::Options options;
  options.uri_sans = {{kServerId, "spiffe://test.example/twi/other"}};
  Refuses(pki_.Make("", options), "exactly one URI SAN, got 2");
}
TEST_F(WrongServerTest, RefusesHostNameInsteadOfIdentity) {
  TestPki::Options options;
  options.uri_sans = std::vector<std::string>();
  options.dns_sans = {"127.0.0.1", "localhost"};
  Refuses(pki_.Make("", options), "exactly one URI SAN, got 0");
}

TEST(FromGrpcTest, TakesNoReasonFromElsewhere) {
  EXPECT_OK(FromGrpc(grpc::Status::OK, "x"));
  // A reason's name in the message alone is words, not a reason.
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "GRANT_EXPIRED"), "x"),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "SERVER_UNAUTHENTICATED: x"), "x"),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "late"), "x"),
              StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"), "x"),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, HasSubstr("x: ")));
  EXPECT_THAT(
      FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "Received message larger than max (2 vs. 1)"), "x"),
      StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE, HasSubstr("x: ")));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "Bandwidth exhausted"), "x"),
              StatusIs(v1::DENY_REASON_OVERLOADED));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "m", "rubbish details"), "x"),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_LT(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, std::string(100000, 'x')), "x").message().size(), 500u);
}

TEST(RetryUnavailableTest, RepeatsOnlyWhatWasNoRefusal) {
  int calls = 0;
  const auto fail_with = [&](DenyReason reason) {
    return [&calls, reason]() -> absl::Status {
      ++calls;
      return Deny(reason, "");
    };
  };
  EXPECT_THAT(RetryUnavailable(3, absl::Now() + absl::Seconds(10), fail_with(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE)),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_EQ(calls, 3);
  calls = 0;
  EXPECT_THAT(RetryUnavailable(3, absl::Now() + absl::Seconds(10), fail_with(v1::DENY_REASON_CHALLENGE_EXPIRED)),
              StatusIs(v1::DENY_REASON_CHALLENGE_EXPIRED));
  EXPECT_EQ(calls, 1);
  calls = 0;  // no time left: the first answer is the answer
  EXPECT_THAT(RetryUnavailable(3, absl::Now(), fail_with(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE)),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_EQ(calls, 1);
}

TEST(SetDeadlineTest, IsTheSmallerOfTimeoutAndCallersRest) {
  config::v1::Peer peer;
  const absl::Time now = absl::FromUnixSeconds(1000);  // our clock need not be the system's
  const auto left = [&](absl::Time caller) {
    grpc::ClientContext context;
    SetDeadline(context, peer, caller, now);
    return absl::FromChrono(context.deadline() - std::chrono::system_clock::now());
  };
  EXPECT_LE(left(now + absl::Hours(1)), absl::Seconds(5));
  EXPECT_GT(left(now + absl::Hours(1)), absl::Seconds(3));
  EXPECT_LE(left(now + absl::Seconds(1)), absl::Seconds(1));
  EXPECT_LE(left(now - absl::Seconds(1)), absl::ZeroDuration());
  EXPECT_LE(left(absl::InfiniteFuture()), absl::Seconds(5));
}

}  // namespace
}  // namespace twi::client
