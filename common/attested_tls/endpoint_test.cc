// Both profiles, one-way and mutual, and what each end refuses to begin with.
#include "common/attested_tls/endpoint.h"

#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class BothProfilesTest : public AttestedTlsTest, public ::testing::WithParamInterface<Profile> {
 protected:
  std::vector<Profile> Profiles() const { return {GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(, BothProfilesTest, ::testing::Values(Profile::kSession, Profile::kHandshake),
                         [](const auto& info) { return info.param == Profile::kSession ? "Session" : "Handshake"; });

TEST_P(BothProfilesTest, OneWay) {
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ExpectOpen();
  ASSERT_NE((*client_)->peer(), nullptr);
  const AttestedPeer& peer = *(*client_)->peer();
  EXPECT_EQ(peer.profile, GetParam());
  EXPECT_EQ(peer.role, Role::kServer);
  EXPECT_EQ(peer.results.software["name"], "payroll");
  EXPECT_EQ(peer.results.audience, kRpId);
  EXPECT_GE(peer.checks.size(), 7u);
  EXPECT_EQ((*client_)->profile(), GetParam());
  EXPECT_EQ((*server_)->profile(), GetParam());
  EXPECT_EQ((*server_)->peer(), nullptr);
  EXPECT_EQ(verifier_->sessions(), 1);
  EXPECT_EQ(verifier_->submissions(), 1);
  ExpectBytesFlow();
}

TEST_P(BothProfilesTest, Mutual) {
  StartServer(ChallengingServer(Profiles()));
  StartClient(AttestingClient(Profiles()));
  ExpectOpen();
  ASSERT_NE((*client_)->peer(), nullptr);
  ASSERT_NE((*server_)->peer(), nullptr);
  EXPECT_EQ((*client_)->peer()->role, Role::kServer);
  EXPECT_EQ((*server_)->peer()->role, Role::kClient);
  EXPECT_EQ((*server_)->peer()->results.audience, kServerRpId);
  EXPECT_NE((*client_)->peer()->key_sha256, (*server_)->peer()->key_sha256);
  EXPECT_EQ(verifier_->submissions(), 2);
  ExpectBytesFlow();
}

// Whatever has been proven so far: before kOpen, and once it is closed.
TEST_P(BothProfilesTest, NothingOfTheApplicationFlowsUnlessItIsOpen) {
  StartServer(ChallengingServer(Profiles()));
  StartClient(AttestingClient(Profiles()));
  const auto expect_shut = [](End& end) {
    if (end.open()) return;
    char buffer[8];
    EXPECT_EQ(end->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kFailed);
    EXPECT_EQ(end->Write("too early").kind, IoResult::Kind::kFailed);
    EXPECT_EQ(end->CloseWrite().kind, IoResult::Kind::kFailed);
    EXPECT_EQ(end->peer(), nullptr);
  };
  ASSERT_TRUE(Drive([&] {
    expect_shut(*server_);
    expect_shut(*client_);
    return server_->open() && client_->open();
  }));
  ExpectBytesFlow();
  SocketPair second;
  End left(Client(Profiles()), second.fd(0), clock_, waker_);
  second.Close(1);
  ASSERT_TRUE(DriveUntil(
      waker_, {}, [&] { left.Advance(clock_.Now()); }, [&] { return left.closed(); }));
  expect_shut(left);
}

TEST_P(BothProfilesTest, AnAttesterThatNobodyChallengesIsNoObstacle) {
  StartServer(Server(Profiles()));
  StartClient(AttestingClient(Profiles()));
  ExpectOpen();
}

TEST_P(BothProfilesTest, EachConnectionIsAppraisedAnew) {
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ExpectOpen();
  SocketPair second;
  End server(Server(Profiles()), second.fd(0), clock_, waker_),
      client(Client(Profiles()), second.fd(1), clock_, waker_);
  ASSERT_TRUE(DriveUntil(
      waker_, {second.fd(0), second.fd(1)},
      [&] {
        if (!server.open()) server.Advance(clock_.Now());
        if (!client.open()) client.Advance(clock_.Now());
      },
      [&] { return server.open() && client.open(); }));
  EXPECT_EQ(verifier_->submissions(), 2);
}

TEST_P(BothProfilesTest, ClosingIsSeenByTheOtherSide) {
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ExpectOpen();
  EXPECT_EQ((*server_)->CloseWrite().kind, IoResult::Kind::kDone);
  EXPECT_EQ((*server_)->CloseWrite().kind, IoResult::Kind::kDone);
  char buffer[8];
  EXPECT_EQ((*client_)->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kClosed);
  client_->WriteAll("still");  // the other direction stays
  EXPECT_EQ(server_->ReadAll(5), "still");
}

// A full socket takes no close_notify; without one the peer would take the end for a truncation.
TEST_P(BothProfilesTest, ClosingWaitsForAFullSocket) {
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ExpectOpen();
  std::size_t written = 0;
  IoResult result;
  while ((result = (*server_)->Write("x")).kind == IoResult::Kind::kDone) ++written;
  ASSERT_EQ(result.kind, IoResult::Kind::kWouldBlock);
  ASSERT_EQ(client_->ReadAll(1), "x");  // makes room for one record: the one that waits
  ASSERT_EQ((*server_)->Write("x").kind, IoResult::Kind::kDone);
  result = (*server_)->CloseWrite();
  EXPECT_EQ(result.kind, IoResult::Kind::kWouldBlock);
  EXPECT_TRUE(result.want_write);
  EXPECT_EQ(client_->ReadAll(written).size(), written);
  EXPECT_EQ((*server_)->CloseWrite().kind, IoResult::Kind::kDone);
  char buffer[8];
  EXPECT_EQ((*client_)->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kClosed);
}

TEST_P(BothProfilesTest, RefusesAPeerThatIsNotOnTheAllowList) {
  RelyingParty party = TrustingParty(verifier_);
  party.accept = [](AttestedPeer& peer, absl::Time) {
    return peer.results.software["version"] == "1.3.0" ? absl::OkStatus()
                                                       : Deny(v1::DENY_REASON_ATTESTED_TLS_PEER_NOT_ALLOWED, "version");
  };
  StartServer(Server(Profiles()));
  StartClient(ClientSettings(Profiles(), party));
  DriveToEnd();
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_PEER_NOT_ALLOWED));
  EXPECT_EQ((*client_)->peer(), nullptr);
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED));
}

TEST_P(BothProfilesTest, RefusesAnUntrustedTee) {
  StartServer(ServerSettings(Profiles(), GenuineAttester("something else")));
  StartClient(Client(Profiles()));
  DriveToEnd();
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  EXPECT_TRUE(server_->closed());
}

TEST_P(BothProfilesTest, AServerRefusesAnUntrustedClientBeforeTheFirstByte) {
  StartServer(ChallengingServer(Profiles()));
  Settings client = Client(Profiles());
  client.attester = GenuineAttester("something else");
  StartClient(std::move(client));
  DriveToEnd();
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  EXPECT_THAT((*client_)->why(),
              StatusIs(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED, ::testing::HasSubstr("MEASUREMENT_UNKNOWN")));
}

TEST_P(BothProfilesTest, AChallengingServerRefusesAClientWithoutAttester) {
  StartServer(ChallengingServer(Profiles()));
  StartClient(Client(Profiles()));
  DriveToEnd();
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID));
  EXPECT_TRUE(client_->closed());
}

TEST_P(BothProfilesTest, RefusesWhenTheAttesterFails) {
  StartServer(ServerSettings(Profiles(), *MakeAttester(
                                             [](const v1::Binding&) -> absl::StatusOr<v1::Evidence> {
                                               return Deny(v1::DENY_REASON_ATTESTER_FAILED, "no TEE");
                                             },
                                             random_)));
  StartClient(Client(Profiles()));
  DriveToEnd();
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED));
}

TEST_P(BothProfilesTest, RefusesEvidenceThatTheVerifierDoesNotTake) {
  verifier_->media_types = {"application/eat+cwt"};
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  DriveToEnd();
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED));
  EXPECT_TRUE(client_->closed());
}

TEST_F(AttestedTlsTest, OfSeveralProfilesSessionIsTaken) {
  StartServer(Server(kBoth));
  StartClient(Client(kBoth));
  ExpectOpen();
  EXPECT_EQ((*client_)->profile(), Profile::kSession);
}

TEST_F(AttestedTlsTest, AClientThatAcceptsBothMeetsAServerOfEither) {
  StartServer(Server(kHandshakeOnly));
  StartClient(Client(kBoth));
  ExpectOpen();
  EXPECT_EQ((*client_)->profile(), Profile::kHandshake);
}

TEST_F(AttestedTlsTest, SessionIsTheDefault) { EXPECT_EQ(Settings().profiles, kSessionOnly); }

TEST_F(AttestedTlsTest, RefusesSettingsThatMeanNothing) {
  const auto refused = [&](Settings settings) {
    EXPECT_THAT(Endpoint::Make(std::move(settings), clock_).status(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  };
  Settings s = Server(kSessionOnly);
  s.attester = nullptr;
  refused(s);
  s = Server({});
  refused(s);
  s = Server({Profile::kSession, Profile::kSession});
  refused(s);
  s = Server(kSessionOnly);
  s.attester_workers = nullptr;
  refused(s);
  s = Server(kSessionOnly);
  s.handshake_timeout = absl::ZeroDuration();
  refused(s);
  s = AttestingClient(kSessionOnly);
  s.relying_party = nullptr;  // would talk to anybody
  refused(s);
  RelyingParty party = TrustingParty(verifier_);
  party.accept = nullptr;
  refused(ClientSettings(kSessionOnly, party));
  party = TrustingParty(verifier_);
  party.rp_id.clear();
  refused(ClientSettings(kSessionOnly, party));
}

}  // namespace
}  // namespace twi::atls
