// The HTTPS client against our server, and against servers that are not the peer.
#include "common/http/client.h"

#include "absl/time/clock.h"
#include "common/http/relay.h"
#include "common/http/served.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TestPki;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() : pki_(absl::Now()), served_(pki_, absl::Now()) {}
  void SetUp() override { ASSERT_OK(served_.Start()); }

  std::unique_ptr<Client> ClientFor(const config::v1::Peer& peer) {
    auto client = Client::Make(peer, pki_.Issue("client", kClientId), served_.clock);
    EXPECT_OK(client);
    return *std::move(client);
  }
  absl::StatusOr<ClientResponse> Get(Client& client, const std::string& path) {
    ClientRequest request;
    request.path = path;
    return client.Send(request, Soon());
  }
  absl::StatusOr<ClientResponse> Echo(Client& client) {
    return client.Send({"POST", "/echo", "text/plain", "hello"}, Soon());
  }
  absl::Time Soon() const { return served_.clock.Now() + absl::Seconds(10); }

  TestPki pki_;
  Served served_;
};

TEST_F(HttpClientTest, CallsThePeer) {
  const auto client = ClientFor(served_.AsPeer());
  ClientRequest request{"POST", "/echo", "text/plain", "hello"};
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const ClientResponse response, client->Send(request, Soon()));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/plain");
    EXPECT_EQ(response.body, absl::StrCat(kClientId, ":hello"));
  }
}

TEST_F(HttpClientTest, KeepsAConnectionForTheNextCall) {
  Relay relay(served_.server->port());
  const auto client = ClientFor(Served::AsPeerAt(relay.port()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(Echo(*client));
    EXPECT_OK(Get(*client, "/items/a"));
  }
  EXPECT_EQ(relay.connections(), 1);
}

// The server has done its work, and nobody knows: what is not safe must not be done twice.
TEST_F(HttpClientTest, RefusesToRepeatAPostOrADeleteWhenAKeptConnectionBreaks) {
  Relay relay(served_.server->port());
  const auto client = ClientFor(Served::AsPeerAt(relay.port()));
  for (const ClientRequest& request : {ClientRequest{"POST", "/echo", "text/plain", "hello"},
                                       ClientRequest{"POST", "/echo", "", ""}, ClientRequest{"DELETE", "/items/a"}}) {
    ASSERT_OK(Get(*client, "/items/a"));  // makes, and leaves, a connection
    const int before = served_.outcomes.Count("Echo");
    relay.CutNextAnswer();
    EXPECT_THAT(client->Send(request, Soon()),
                StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, HasSubstr("not repeated")));
    EXPECT_EQ(served_.outcomes.Count("Echo") - before, request.method == "POST" ? 1 : 0);
  }
}

TEST_F(HttpClientTest, RepeatsAGetWhenAKeptConnectionBreaks) {
  Relay relay(served_.server->port());
  const auto client = ClientFor(Served::AsPeerAt(relay.port()));
  ASSERT_OK(Echo(*client));
  relay.CutNextAnswer();
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Get(*client, "/items/a"));
  EXPECT_EQ(response.body, "a");
  EXPECT_EQ(served_.outcomes.Count("Item"), 2);
}

// A kept connection is of the old certificate: it is not used any more either.
TEST_F(HttpClientTest, CallsWithTheNewCertificateAfterAReload) {
  constexpr char kRenamed[] = "spiffe://test.example/twi/renamed";
  for (config::v1::Allow& allow : *served_.config.mutable_allow()) allow.add_peers(kRenamed);
  ASSERT_OK(served_.Start());
  const auto client = ClientFor(served_.AsPeer());
  ASSERT_OK_AND_ASSIGN(ClientResponse response, Echo(*client));
  EXPECT_EQ(response.body, absl::StrCat(kClientId, ":hello"));
  pki_.Issue("client", kRenamed);
  for (const absl::Time end = absl::Now() + absl::Seconds(30);
       response.body == absl::StrCat(kClientId, ":hello") && absl::Now() < end;) {
    auto next = Echo(*client);
    ASSERT_OK(next);
    response = *std::move(next);
  }
  EXPECT_EQ(response.body, absl::StrCat(kRenamed, ":hello"));
}

TEST_F(HttpClientTest, RefusesAServerThatTheNewTrustBundleDoesNotName) {
  config::v1::Tls tls = pki_.Issue("client", kClientId);
  tls.set_trust_bundle_file(pki_.dir().Write("bundle", pki_.ca_pem()));
  ASSERT_OK_AND_ASSIGN(const auto client, Client::Make(served_.AsPeer(), tls, served_.clock));
  ASSERT_OK(Echo(*client));
  pki_.dir().Write("bundle", TestPki(absl::Now()).ca_pem());
  absl::Status status;
  for (const absl::Time end = absl::Now() + absl::Seconds(30); status.ok() && absl::Now() < end;)
    status = Echo(*client).status();
  EXPECT_THAT(status, StatusIs(v1::DENY_REASON_SERVER_UNAUTHENTICATED));
}

TEST_F(HttpClientTest, PassesTheTraceOn) {
  const auto client = ClientFor(served_.AsPeer());
  const trace::Trace trace = trace::NewTrace();
  {
    const trace::Scope scope(trace);
    ASSERT_OK_AND_ASSIGN(const ClientResponse response, Get(*client, "/trace"));
    EXPECT_EQ(response.body, trace.id_view());
  }
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Get(*client, "/trace"));
  EXPECT_NE(response.body, trace.id_view());
}

TEST_F(HttpClientTest, GivesRefusalsAsTheyCome) {
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Get(*ClientFor(served_.AsPeer()), "/refuse"));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_THAT(response.body, HasSubstr("CHALLENGE_REPLAYED"));
}

TEST_F(HttpClientTest, RefusesAServerThatIsNotThePeer) {
  config::v1::Peer peer = served_.AsPeer();
  peer.set_spiffe_id("spiffe://test.example/twi/other");
  EXPECT_THAT(Get(*ClientFor(peer), "/items/a"),
              StatusIs(v1::DENY_REASON_SERVER_IDENTITY_MISMATCH,
                       AllOf(HasSubstr("expected spiffe://test.example/twi/other"), HasSubstr(kServerId))));
}

TEST_F(HttpClientTest, RefusesAServerOfAnotherCa) {
  TestPki foreign(absl::Now());
  Served impostor(foreign, absl::Now());
  ASSERT_OK(impostor.Start());
  EXPECT_THAT(Get(*ClientFor(impostor.AsPeer()), "/items/a"), StatusIs(v1::DENY_REASON_SERVER_UNAUTHENTICATED));
}

TEST_F(HttpClientTest, RefusesAnAnswerThatIsTooLarge) {
  ClientRequest request{"POST", "/echo", "text/plain", std::string(100, 'a')};
  request.max_response = 50;
  EXPECT_THAT(ClientFor(served_.AsPeer())->Send(request, Soon()),
              StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, HasSubstr("too large")));
}

TEST_F(HttpClientTest, RefusesToWaitBeyondTheDeadline) {
  const auto client = ClientFor(served_.AsPeer());
  ClientRequest request;
  request.path = "/hold";
  EXPECT_THAT(client->Send(request, served_.clock.Now() + absl::Milliseconds(200)),
              StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
  EXPECT_THAT(client->Send(request, served_.clock.Now()), StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
}

TEST_F(HttpClientTest, RefusesWhereNobodyListens) {
  const config::v1::Peer peer = served_.AsPeer();
  served_.server.reset();
  EXPECT_THAT(Get(*ClientFor(peer), "/items/a"), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

TEST_F(HttpClientTest, RefusesRequestsThatWouldNotBeOne) {
  const auto client = ClientFor(served_.AsPeer());
  for (const char* path : {"", "items", "/items/a b", "/items/a\r\nX: y"})
    EXPECT_THAT(Get(*client, path), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED)) << path;
  EXPECT_THAT(client->Send({"PATCH", "/echo", "", ""}, Soon()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(client->Send({"POST", "/echo", "a\r\nb", "x"}, Soon()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(client->Send({"POST", "/echo", "", "x"}, Soon()), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST_F(HttpClientTest, RefusesBadConfig) {
  const config::v1::Tls tls = pki_.Issue("client", kClientId);
  for (const char* address :
       {"", "x", "x:0", "x:70000", ":1", "x/y:1", "a@b:1", "a:b:80", "::1:80", "[::1:80", "[]:80", "a\tb:1"}) {
    config::v1::Peer peer = served_.AsPeer();
    peer.set_address(address);
    EXPECT_THAT(Client::Make(peer, tls, served_.clock), StatusIs(v1::DENY_REASON_CONFIG_INVALID)) << address;
  }
  config::v1::Peer peer = served_.AsPeer();
  peer.set_spiffe_id("https://example.org");
  EXPECT_THAT(Client::Make(peer, tls, served_.clock), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

}  // namespace
}  // namespace twi::http
