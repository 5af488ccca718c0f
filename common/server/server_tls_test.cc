// Who gets in, through the real door: sockets, TLS, gRPC.
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/client/channel.h"
#include "common/server/echo_server.h"
#include "common/testing/matchers.h"
#include "common/testing/tls_probe.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/google/rpc/status_details.pb.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using testing::ProbeTls;
using testing::TestPki;
using testing::TlsVersion;

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerTlsTest() : pki_(absl::Now()), echo_(pki_) {}
  void SetUp() override { ASSERT_OK(echo_.Start()); }

  std::shared_ptr<client::Identity> FromFiles(const config::v1::Tls& tls) {
    auto identity = client::Identity::FromFiles(tls);
    EXPECT_OK(identity);
    return *identity;
  }
  Reply SayAs(const config::v1::Tls& tls) { return Say(*echo_.Stub(*FromFiles(tls))); }
  testing::ProbeResult Probe(const TestPki::Pair& pair, TlsVersion version = TlsVersion::k13) {
    return ProbeTls(echo_.server->port(), version, pair.certificate_pem, pair.key_pem);
  }

  TestPki pki_;
  EchoServer echo_;
};

TEST_F(ServerTlsTest, ServesAPeerOnTheAllowList) {
  const Reply reply = SayAs(pki_.Issue("client", kClientId));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.response.text(), "hello");
  EXPECT_EQ(reply.response.peer(), kClientId);
}

TEST_F(ServerTlsTest, ServesAPeerBehindAnIntermediate) {
  TestPki::Options options;
  options.by_intermediate = true;
  const auto tls = pki_.Issue("client", kClientId, options);
  const auto stub = echo_.Stub(*FromFiles(tls));
  EXPECT_TRUE(Say(*stub).status.ok());
  EXPECT_TRUE(Say(*stub).status.ok());
}

TEST_F(ServerTlsTest, ServesAnAttestedKeyWhereItIsAllowed) {
  ASSERT_OK_AND_ASSIGN(const auto identity, client::Identity::AttestedKey(pki_.dir().File("ca.crt"), absl::Now()));
  const Reply reply = Open(*echo_.Stub(*identity));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.response.peer(), absl::StrCat("attested_key:", absl::BytesToHexString(identity->key_sha256())));
}

TEST_F(ServerTlsTest, RefusesAttestedKeyElsewhere) {
  ASSERT_OK_AND_ASSIGN(const auto identity, client::Identity::AttestedKey(pki_.dir().File("ca.crt"), absl::Now()));
  EXPECT_THAT(client::FromGrpc(Say(*echo_.Stub(*identity)).status, "Say"),
              testing::StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(ServerTlsTest, RefusesAPeerThatIsNotOnTheAllowList) {
  const Reply reply = SayAs(pki_.Issue("client", "spiffe://test.example/twi/other"));
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(client::FromGrpc(reply.status, "Say"), testing::StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(ServerTlsTest, RefusesASpiffePeerWhereOnlyAttestedKeysAreAllowed) {
  const auto stub = echo_.Stub(*FromFiles(pki_.Issue("client", kClientId)));
  EXPECT_THAT(client::FromGrpc(Open(*stub).status, "Open"), testing::StatusIs(v1::DENY_REASON_PEER_NOT_ALLOWED));
}

TEST_F(ServerTlsTest, ProbeSeesThatARightCertificateIsServed) {
  const auto result = Probe(pki_.Make(kClientId, {}));
  EXPECT_TRUE(result.served);
  EXPECT_EQ(result.version, "TLSv1.3");
}

TEST_F(ServerTlsTest, RefusesTls12) {
  const auto result = Probe(pki_.Make(kClientId, {}), TlsVersion::k12);
  EXPECT_FALSE(result.handshake_done);
  EXPECT_FALSE(result.served);
}

TEST_F(ServerTlsTest, RefusesTls12WithoutClientCertificate) {
  EXPECT_FALSE(ProbeTls(echo_.server->port(), TlsVersion::k12, "", "").handshake_done);
}

TEST_F(ServerTlsTest, RefusesNoClientCertificate) {
  EXPECT_FALSE(ProbeTls(echo_.server->port(), TlsVersion::k13, "", "").served);
}

TEST_F(ServerTlsTest, RefusesPlaintext) {
  auto stub = testing::Echo::NewStub(grpc::CreateChannel(echo_.AsPeer().address(), grpc::InsecureChannelCredentials()));
  EXPECT_EQ(Say(*stub).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTlsTest, RefusesForeignCa) {
  TestPki foreign(absl::Now());
  EXPECT_FALSE(Probe(foreign.Make(kClientId, {})).served);
}

TEST_F(ServerTlsTest, RefusesExpiredCertificate) {
  TestPki::Options options;
  options.ends = -absl::Minutes(1);
  EXPECT_FALSE(Probe(pki_.Make(kClientId, options)).served);
}

TEST_F(ServerTlsTest, RefusesCertificateOfTheFuture) {
  TestPki::Options options;
  options.starts = absl::Hours(1);
  EXPECT_FALSE(Probe(pki_.Make(kClientId, options)).served);
}

TEST_F(ServerTlsTest, RefusesTwoUriSans) {
  TestPki::Options options;
  options.uri_sans = {{kClientId, "spiffe://test.example/twi/other"}};
  EXPECT_FALSE(Probe(pki_.Make("", options)).served);
}

TEST_F(ServerTlsTest, RefusesCaSignedCertificateWithoutUriSan) {
  TestPki::Options options;
  options.uri_sans = std::vector<std::string>();
  options.dns_sans = {"client.example"};
  EXPECT_FALSE(Probe(pki_.Make("", options)).served);
}

TEST_F(ServerTlsTest, RefusesUriThatIsNoSpiffeId) {
  EXPECT_FALSE(Probe(pki_.Make("https://test.example/twi/client", {})).served);
  EXPECT_FALSE(Probe(pki_.Make("spiffe://test.example/twi/../client", {})).served);
}

TEST_F(ServerTlsTest, RefusesCaCertificateAsPeer) {
  TestPki::Options options;
  options.is_ca = true;
  EXPECT_FALSE(Probe(pki_.Make(kClientId, options)).served);
}

TEST_F(ServerTlsTest, RefusesServerOnlyCertificateAsClient) {
  TestPki::Options options;
  options.extended_key_usage = {crypto::kEkuServerAuth};
  EXPECT_FALSE(Probe(pki_.Make(kClientId, options)).served);
  options.extended_key_usage = {};
  EXPECT_TRUE(Probe(pki_.Make(kClientId, options)).served);
}

// The point of attested_key: a self-signed certificate says nothing but its key. With a SPIFFE ID in it, it would.
TEST_F(ServerTlsTest, RefusesSelfSignedCertificateWithUriSan) {
  TestPki::Options options;
  options.self_signed = true;
  EXPECT_FALSE(Probe(pki_.Make(kClientId, options)).served);
  options.uri_sans = std::vector<std::string>();
  EXPECT_TRUE(Probe(pki_.Make("", options)).served);
  options.ends = -absl::Minutes(1);
  EXPECT_FALSE(Probe(pki_.Make("", options)).served);
}

TEST_F(ServerTlsTest, RefusesSelfSignedCertificateWhenNoRpcAllowsIt) {
  EchoServer strict(pki_);
  strict.config.mutable_allow()->RemoveLast();
  ASSERT_OK(strict.Start());
  TestPki::Options options;
  options.self_signed = true;
  options.uri_sans = std::vector<std::string>();
  const auto pair = pki_.Make("", options);
  EXPECT_FALSE(ProbeTls(strict.server->port(), TlsVersion::k13, pair.certificate_pem, pair.key_pem).served);
}

TEST_F(ServerTlsTest, ClientRefusesServerOfAnotherIdentity) {
  const auto identity = FromFiles(pki_.Issue("client", kClientId));
  config::v1::Peer peer = echo_.AsPeer();
  peer.set_spiffe_id("spiffe://test.example/twi/verifier");
  ASSERT_OK_AND_ASSIGN(const auto channel, client::MakeChannel(peer, *identity));
  auto stub = testing::Echo::NewStub(channel);
  const Reply reply = Say(*stub);
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(reply.status.error_message(),
              HasSubstr("expected spiffe://test.example/twi/verifier, the server is spiffe://test.example/twi/echo"));
  EXPECT_THAT(client::FromGrpc(reply.status, "Say"), testing::StatusIs(v1::DENY_REASON_SERVER_IDENTITY_MISMATCH));
}

TEST_F(ServerTlsTest, ClientRefusesServerOfAnotherCa) {
  TestPki foreign(absl::Now());
  const auto identity = FromFiles(foreign.Issue("client", kClientId));
  EXPECT_EQ(Say(*echo_.Stub(*identity)).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTlsTest, ClientRefusesServerWhenItsTrustBundleIsGone) {
  ASSERT_OK_AND_ASSIGN(const auto identity, client::Identity::AttestedKey(pki_.dir().File("ca.crt"), absl::Now()));
  pki_.dir().Write("ca.crt", "not a bundle");
  EXPECT_EQ(Open(*echo_.Stub(*identity)).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTlsTest, RefusalCarriesErrorInfoAndNothingElse) {
  const auto stub = echo_.Stub(*FromFiles(pki_.Issue("client", kClientId)));
  grpc::ClientContext context;
  testing::RefuseRequest request;
  request.set_reason(v1::DENY_REASON_CHALLENGE_EXPIRED);
  request.set_detail("secret detail 4711");
  testing::SayResponse response;
  const grpc::Status status = stub->Refuse(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "CHALLENGE_EXPIRED");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(grpc::StatusCode::UNAUTHENTICATED));
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "CHALLENGE_EXPIRED");
  EXPECT_EQ(info.domain(), "twi");
  EXPECT_EQ(info.metadata_size(), 0);
  EXPECT_EQ(status.error_details().find("4711"), std::string::npos);
}

TEST_F(ServerTlsTest, StatusWithoutReasonAndExceptionAreInternal) {
  const auto stub = echo_.Stub(*FromFiles(pki_.Issue("client", kClientId)));
  for (int reason : {0, -1}) {
    grpc::ClientContext context;
    testing::RefuseRequest request;
    request.set_reason(reason);
    request.set_detail("secret detail 4711");
    testing::SayResponse response;
    const grpc::Status status = stub->Refuse(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(status.error_message(), "INTERNAL");
  }
}

// Every reason of the closed list arrives as itself.
TEST_F(ServerTlsTest, EveryReasonTravels) {
  const auto stub = echo_.Stub(*FromFiles(pki_.Issue("client", kClientId)));
  for (int i = 0; i < v1::DenyReason_descriptor()->value_count(); ++i) {
    const int number = v1::DenyReason_descriptor()->value(i)->number();
    if (number == 0) continue;
    grpc::ClientContext context;
    testing::RefuseRequest request;
    request.set_reason(number);
    testing::SayResponse response;
    EXPECT_THAT(client::FromGrpc(stub->Refuse(&context, request, &response), "Refuse"),
                testing::StatusIs(static_cast<DenyReason>(number)));
  }
}

// Asks again and again until `wanted` holds, at most 10 s: files are looked at once a second, by us and then
// by gRPC.
template <typename Predicate>
bool Eventually(Predicate wanted) {
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (absl::Now() < end) {
    if (wanted()) return true;
  }
  return false;
}

// Files in memory that hold a TLS key of this process (tls_files.h).
int KeysInMemory() {
  int keys = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (absl::StrContains(std::filesystem::read_symlink(entry.path(), gone).string(), "memfd:twi-tls")) ++keys;
  }
  return keys;
}

// An agent makes channels for as long as it lives: what they hold must go with them.
TEST_F(ServerTlsTest, AChannelThatIsGoneLeavesNoKeyBehind) {
  const auto servers_alone = [] { return KeysInMemory() == 1; };
  ASSERT_TRUE(Eventually(servers_alone)) << "those of the tests before are gone too";
  {
    std::shared_ptr<client::Identity> identity = FromFiles(pki_.Issue("client", kClientId));
    const auto stub = echo_.Stub(*identity);
    identity.reset();
    EXPECT_TRUE(Say(*stub).status.ok()) << "the channel keeps what it needs";
    EXPECT_EQ(KeysInMemory(), 2);
  }
  EXPECT_TRUE(Eventually(servers_alone)) << KeysInMemory() << " keys in memory";
}

TEST_F(ServerTlsTest, TakesUpANewCertificateAndKeepsTheLastGoodOne) {
  const auto identity = FromFiles(pki_.Issue("client", kClientId));
  const auto served = [&] { return Say(*echo_.Stub(*identity)).status.ok(); };  // a handshake each
  ASSERT_TRUE(served());
  // A pair that does not fit: every new handshake goes on with the old one.
  const std::string old_key = pki_.dir().Read("server.key");
  const TestPki::Pair other = pki_.Make(kServerId, {});
  pki_.dir().Write("server.key", other.key_pem);
  const absl::Time two_turns = absl::Now() + absl::Milliseconds(2500);
  while (absl::Now() < two_turns) ASSERT_TRUE(served());
  // The certificate of another identity, with its key: taken up, and so the client refuses it.
  const TestPki::Pair renamed = pki_.Make("spiffe://test.example/twi/renamed", {});
  pki_.dir().Write("server.crt", renamed.certificate_pem);
  pki_.dir().Write("server.key", renamed.key_pem);
  EXPECT_TRUE(Eventually([&] { return !served(); }));
  const TestPki::Pair again = pki_.Make(kServerId, {});
  pki_.dir().Write("server.crt", again.certificate_pem);
  pki_.dir().Write("server.key", again.key_pem);
  EXPECT_TRUE(Eventually(served));
}

TEST_F(ServerTlsTest, PeerOfARemovedCaIsRefusedOnItsOpenConnection) {
  const auto stub = echo_.Stub(*FromFiles(pki_.Issue("client", kClientId)));
  ASSERT_TRUE(Say(*stub).status.ok());
  TestPki other(absl::Now());
  pki_.dir().Write("ca.crt", other.ca_pem());
  EXPECT_TRUE(Eventually(
      [&] { return client::FromGrpc(Say(*stub).status, "Say").code() == absl::StatusCode::kUnauthenticated; }));
}

}  // namespace
}  // namespace twi::server
