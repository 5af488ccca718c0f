// The HTTPS client against our server, and against servers that are not the peer.
#include "common/http/client.h"

#include "common/http/served.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::http {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TestPki;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() : pki_(absl::Now()), served_(pki_) {}
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
  static absl::Time Soon() { return absl::Now() + absl::Seconds(10); }

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

TEST_F(HttpClientTest, GivesRefusalsAsTheyCome) {
  ASSERT_OK_AND_ASSIGN(const ClientResponse response, Get(*ClientFor(served_.AsPeer()), "/refuse"));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_THAT(response.body, HasSubstr("CHALLENGE_REPLAYED"));
}

TEST_F(HttpClientTest, RefusesAServerThatIsNotThePeer) {
  config::v1::Peer peer = served_.AsPeer();
  peer.set_spiffe_id("spiffe://test.example/twi/other");
  EXPECT_THAT(Get(*ClientFor(peer), "/items/a"), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED, HasSubstr(kServerId)));
}

TEST_F(HttpClientTest, RefusesAServerOfAnotherCa) {
  TestPki foreign(absl::Now());
  Served impostor(foreign);
  ASSERT_OK(impostor.Start());
  EXPECT_THAT(Get(*ClientFor(impostor.AsPeer()), "/items/a"), StatusIs(v1::DENY_REASON_PEER_UNAUTHENTICATED));
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
  EXPECT_THAT(client->Send(request, absl::Now() + absl::Milliseconds(200)),
              StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
  EXPECT_THAT(client->Send(request, absl::Now() - absl::Seconds(1)), StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
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
  for (const char* address : {"", "x", "x:0", "x:70000", ":1", "x/y:1", "a@b:1"}) {
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
