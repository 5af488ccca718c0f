// The order of the frames, whose turn it is, and who says what to the end. On the Evidence in them:
// session_attacks_test.cc; on what they cost: exchange_memory_test.cc.
#include <future>

#include "common/attested_tls/session_attacks_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

// --- a frame that is not due is refused by its first bytes

class NotDueTest : public SessionAttackTest {
 protected:
  // Our server, which demands nothing; a raw client.
  void MeetOneWayServer() {
    StartServer(Server(kSessionOnly));
    StartRaw(SessionClient());
    ASSERT_EQ(AwaitFrame().value_or(Frame{}).type, FrameType::kChallenge) << (*server_)->why();
  }
  void ExpectNotDue(absl::string_view bytes) {
    raw_->Send(bytes);
    ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
  }
  const std::string evidence_header_ = std::string("\x02\x03\xFF\xFF", 4), challenge_header_ = {'\x01', 0, 1, 0};
};

TEST_F(NotDueTest, EvidenceThatNobodyAskedFor) {
  MeetOneWayServer();
  ExpectNotDue(nothing_demanded_ + evidence_header_);
}
TEST_F(NotDueTest, EvidenceBeforeTheChallenge) {
  Meet(Role::kServer);
  ExpectNotDue(evidence_header_);
}
TEST_F(NotDueTest, ASecondEvidence) {
  Meet(Role::kServer);
  ExpectNotDue(nothing_demanded_ + HonestEvidence() + evidence_header_);
}
TEST_F(NotDueTest, ASecondEvidenceOfAServer) {
  Meet(Role::kClient);
  ExpectNotDue(nothing_demanded_ + HonestEvidence() + evidence_header_);
}
TEST_F(NotDueTest, ASecondChallenge) {
  Meet(Role::kServer);
  ExpectNotDue(nothing_demanded_ + challenge_header_);
}
TEST_F(NotDueTest, AcceptedBeforeTheChallenge) {
  MeetOneWayServer();
  ExpectNotDue(accepted_);
}
TEST_F(NotDueTest, AcceptedWhileOurEvidenceIsDue) {
  MeetOneWayServer();
  ExpectNotDue(WriteFrame(FrameType::kChallenge, WriteChallenge({std::string(32, 'n'), {kEvidenceMediaType}, kRpId})) +
               accepted_);
}
TEST_F(NotDueTest, AcceptedInPlaceOfEvidence) {
  Meet(Role::kServer);
  ExpectNotDue(nothing_demanded_ + accepted_);
}
TEST_F(NotDueTest, AcceptedOfAServerInPlaceOfEvidence) {
  Meet(Role::kClient);
  ExpectNotDue(nothing_demanded_ + accepted_);
}
TEST_F(NotDueTest, ASecondAccepted) {
  MeetOneWayServer();
  ExpectNotDue(nothing_demanded_ + accepted_ + accepted_);
}
TEST_F(NotDueTest, ApplicationDataInPlaceOfTheExchange) {
  Meet(Role::kServer);
  ExpectNotDue("GET / HTTP/1.1\r\n\r\n");
}

// --- while our own verdict is not there, a peer that has said all may go away, and may not speak

class HeldVerdictTest : public SessionAttackTest, public ::testing::WithParamInterface<Profile> {
 protected:
  // Our server has the Evidence of a raw client that is done, and waits for the Verifier.
  void SetUp() override {
    verifier_->fail = [this](absl::string_view call) {
      if (call == "NewSession") verifier_->Hold();
      return absl::OkStatus();
    };
    if (GetParam() == Profile::kSession) {
      ASSERT_NO_FATAL_FAILURE(Meet(Role::kServer));
      raw_->Send(nothing_demanded_ + HonestEvidence() + accepted_);
    } else {
      StartServer(ChallengingServer(kHandshakeOnly));
      StartRaw(HandshakeClient());
    }
    ASSERT_TRUE(Drive([this] { return verifier_->sessions() == 1 && verifier_->waiting() == 1; }));
    ASSERT_FALSE(Settled(server_)) << (*server_)->why();
  }
  void TearDown() override { verifier_->Release(); }
  RawOptions HandshakeClient() {
    const std::string nonce = twi::testing::FakeRandom().Bytes(32);  // the first of the fake Verifier
    RawOptions options = SessionClient(key_);
    options.extension[SSL_EXT_CLIENT_HELLO] =
        WriteHelloRequest({{Profile::kHandshake}, Challenge{nonce, {kEvidenceMediaType}, kRpId}});
    options.extension[SSL_EXT_TLS1_3_CERTIFICATE] = WriteMediaType(kEvidenceMediaType);
    const std::string spki = key_.public_key().spki();
    const v1::Binding binding = MakeBinding(Profile::kHandshake, Role::kClient, nonce, kServerRpId, {spki, "", ""});
    options.leaf_der =
        *MakeLeaf(key_, CmwRecord{kEvidenceMediaType, FakeTee()(binding)->SerializeAsString()}, clock_.Now(), random_);
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(, HeldVerdictTest, ::testing::Values(Profile::kSession, Profile::kHandshake),
                         [](const auto& info) { return std::string(ProfileName(info.param)); });

TEST_P(HeldVerdictTest, TheHonestPeerThatTheAttacksStartFromIsAccepted) {
  verifier_->Release();
  ASSERT_TRUE(Drive([this] { return Settled(server_); }));
  EXPECT_TRUE(server_->open()) << (*server_)->why();
}

TEST_P(HeldVerdictTest, ApplicationDataBeforeOurVerdictIsRefused) {
  raw_->Send("GET / HTTP/1.1\r\n\r\n");
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

TEST_P(HeldVerdictTest, ARefusalIsNotTakenForApplicationData) {
  raw_->Send(WriteRefused("ATTESTED_TLS_TIMEOUT"));  // which a peer that has accepted must not send
  ASSERT_TRUE(Drive([this] { return Settled(server_); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED,
                                          ::testing::HasSubstr("the peer says ATTESTED_TLS_TIMEOUT")));
}

TEST_P(HeldVerdictTest, APeerThatHasGoneIsNotAccepted) {
  raw_.reset();
  pair_.Close(1);
  verifier_->Release();  // the verdict is good
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); }, [this] { return Settled(server_); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED));
}

// --- both ends are ours; the client has accepted, and the server's Verifier is slow

class GivingUpTest : public AttestedTlsTest, public ::testing::WithParamInterface<Profile> {
 protected:
  void SetUp() override {
    Settings server = AttestedTlsTest::Server({GetParam()});
    server.relying_party = std::make_shared<const RelyingParty>(TrustingParty(slow_, kServerRpId));
    server.handshake_timeout = absl::Seconds(30);
    slow_->fail = [this](absl::string_view call) {
      if (call == "NewSession") slow_->Hold();
      return absl::OkStatus();
    };
    Settings client = AttestingClient({GetParam()});
    const auto appraising = std::make_shared<Workers>(1, 64);
    client.verifier_workers = appraising;
    StartServer(std::move(server));
    StartClient(std::move(client));
    ASSERT_TRUE(Drive([this] { return slow_->sessions() == 1 && slow_->waiting() == 1; }));
    ASSERT_TRUE(Drive([this] { return verifier_->submissions() == 1; }));
    std::promise<void> appraised;  // one worker: what was queued before is done
    ASSERT_TRUE(appraising->Run([&appraised] { appraised.set_value(); }));
    appraised.get_future().wait();
    Step();  // the client accepts
    Step();
    ASSERT_FALSE(Settled(client_) || Settled(server_));
    EXPECT_EQ((*client_)->peer(), nullptr) << "proven, and not open";
  }
  void TearDown() override { slow_->Release(); }
  void ClientGivesUp() {
    clock_.Advance(absl::Seconds(11));
    client_->Advance(clock_.Now());
    EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
  }
  const std::shared_ptr<FakeVerifier> slow_ = std::make_shared<FakeVerifier>();
};
INSTANTIATE_TEST_SUITE_P(, GivingUpTest, ::testing::Values(Profile::kSession, Profile::kHandshake),
                         [](const auto& info) { return std::string(ProfileName(info.param)); });

TEST_P(GivingUpTest, WhoGaveUpBeforeOurVerdictIsNotAccepted) {
  ClientGivesUp();
  slow_->Release();  // the verdict is good
  DriveToEnd();
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED));
  EXPECT_EQ((*server_)->peer(), nullptr);
}

// Which nobody can prevent: `accepted` is on its way. The application gets the end of the stream, and no byte.
TEST_P(GivingUpTest, WhoGaveUpAfterOurVerdictIsAtTheEndOfTheStream) {
  slow_->Release();
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); }, [this] { return Settled(server_); }));
  ASSERT_TRUE(server_->open()) << (*server_)->why();
  ClientGivesUp();
  char buffer[8];
  EXPECT_EQ((*server_)->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kClosed);
}

// --- after its `accepted` a side says nothing more

TEST_F(SessionAttackTest, WhoHasAcceptedOnlyCloses) {
  Meet(Role::kClient);
  raw_->Send(nothing_demanded_ + HonestEvidence());
  const std::optional<Frame> frame = AwaitFrame();
  ASSERT_TRUE(frame.has_value()) << (*client_)->why();
  ASSERT_EQ(frame->type, FrameType::kAccepted);
  clock_.Advance(absl::Seconds(11));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
  EXPECT_TRUE(raw_->failed());
  EXPECT_EQ(raw_->application, "");
}

// Before it, the reason stands behind a frame that is on its way, never in it: the peer takes Evidence that the socket
// did not hold at once, and then reads why it is refused.
TEST_F(SessionAttackTest, TheReasonComesBehindAFrameThatIsHalfSent) {
  const std::string report(250'000, 'r');  // more than a socket pair holds
  StartServer(ServerSettings(kSessionOnly, *MakeAttester(
                                               [report](const v1::Binding&) -> absl::StatusOr<v1::Evidence> {
                                                 v1::Evidence evidence;
                                                 evidence.mutable_sev_snp()->set_report(report);
                                                 return evidence;
                                               },
                                               random_)));
  StartRaw(SessionClient());
  ASSERT_TRUE(Drive([this] { return raw_->done(); }));
  raw_->SendFrame(FrameType::kChallenge, WriteChallenge({std::string(32, 'n'), {kEvidenceMediaType}, kRpId}));
  // Only the server goes on now: until the socket takes no more of its Evidence.
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); },
      [this] { return server_->progress().want_write; }));
  clock_.Advance(absl::Seconds(11));
  ASSERT_TRUE(Drive([this] { return server_->closed() || raw_->failed(); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
  std::vector<FrameType> types;
  std::optional<Frame> last;
  while (std::optional<Frame> frame = raw_->NextFrame()) {
    types.push_back(frame->type);
    if (frame->type == FrameType::kEvidence) {
      EXPECT_THAT(ReadEvidence(frame->body), IsOk());
    }
    last = std::move(frame);
  }
  EXPECT_THAT(types, ::testing::ElementsAre(FrameType::kChallenge, FrameType::kEvidence, FrameType::kRefused));
  EXPECT_EQ(last->body, "ATTESTED_TLS_TIMEOUT");
}

// --- the rest of the exchange

TEST_F(SessionAttackTest, RefusesAMalformedChallenge) {
  Meet(Role::kServer);
  raw_->SendFrame(FrameType::kChallenge, "x");
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

TEST_F(SessionAttackTest, AClientWithoutAttesterSaysSoWhenChallenged) {
  Frame challenge;
  ASSERT_NO_FATAL_FAILURE(AwaitChallengeOfClient(key_, challenge));
  raw_->SendFrame(FrameType::kChallenge, WriteChallenge({std::string(32, 'n'), {"a/b"}, "https://rp.example.org"}));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTER_FAILED);
}

TEST_F(SessionAttackTest, APeerThatClosesWithinTheExchangeIsRefused) {
  Meet(Role::kClient);
  raw_.reset();
  pair_.Close(0);
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(1)}, [this] { client_->Advance(clock_.Now()); }, [this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED));
}

}  // namespace
}  // namespace twi::atls
