// Every attack on the Evidence of profile session, on our client and on our challenging server, each refused with its
// own reason. The attacker holds whatever TLS lets him hold: a TLS end of his own, another genuine TEE, recorded
// Evidence. On the order of the frames: exchange_test.cc.
#include "common/attested_tls/session_attacks_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class VictimTest : public SessionAttackTest, public ::testing::WithParamInterface<Role> {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(MeetAnew()); }
  // A connection to the victim whose attacker demands nothing of it.
  void MeetAnew() {
    client_.reset();
    server_.reset();
    raw_.reset();
    pair_.Renew();
    ASSERT_NO_FATAL_FAILURE(Meet(GetParam()));
    raw_->Send(nothing_demanded_);
  }
};
INSTANTIATE_TEST_SUITE_P(, VictimTest, ::testing::Values(Role::kClient, Role::kServer),
                         [](const auto& info) { return std::string(RoleName(info.param)); });

TEST_P(VictimTest, TheHonestPeerThatTheAttacksStartFromIsAccepted) {
  raw_->Send(HonestEvidence() + accepted_);
  ASSERT_TRUE(Drive([this] { return Settled(Victim()); }));
  EXPECT_TRUE(Victim()->open()) << (*Victim())->why();
}

// A genuine peer of the trusted software, whose TLS identity key the attacker even has (as in CVE-2026-33697). He has a
// connection of his own with it: as a server is reached by anybody, and as a client comes to whoever it is told to,
// and shows its Evidence to one who is not yet proven (README, "Profile session"). He hands on the victim's challenge,
// and the answer back.
class RelayTest : public VictimTest {
 protected:
  Settings Genuine() {
    Settings settings = AttackersRole() == Role::kServer ? Server(kSessionOnly) : Client(kSessionOnly);
    settings.attester = AttesterWithKey(key_, FakeTee());
    return settings;
  }
  EvidenceFrame GenuineEvidenceOverOwnConnection() {
    const bool server = AttackersRole() == Role::kServer;
    End genuine(Genuine(), other_.fd(0), clock_, waker_);
    RawPeer attacker(server ? SessionClient() : SessionServer(key_), other_.fd(1));
    bool asked = false;
    std::optional<Frame> evidence;
    EXPECT_TRUE(DriveUntil(
        waker_, {other_.fd(0), other_.fd(1)},
        [&] {
          genuine.Advance(clock_.Now());
          attacker.Step();
          if (attacker.done() && !asked) {
            attacker.SendFrame(FrameType::kChallenge, WriteChallenge(challenge_));
            asked = true;
          }
        },
        [&] {
          while (std::optional<Frame> frame = attacker.NextFrame()) {
            if (frame->type == FrameType::kEvidence) evidence = frame;
          }
          return evidence.has_value() || genuine.closed();
        }));
    const absl::StatusOr<EvidenceFrame> read = ReadEvidence(evidence.has_value() ? evidence->body : "");
    EXPECT_THAT(read, IsOk());
    return read.value_or(EvidenceFrame());
  }
  SocketPair other_;
};
INSTANTIATE_TEST_SUITE_P(, RelayTest, ::testing::Values(Role::kClient, Role::kServer),
                         [](const auto& info) { return std::string(RoleName(info.param)); });

TEST_P(RelayTest, RelayedEvidenceIsOfAnotherConnection) {
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(GenuineEvidenceOverOwnConnection()));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_CONNECTION);
}

TEST_P(RelayTest, RelayedEvidenceWithARewrittenStatementIsNotBound) {
  EvidenceFrame stated = Honest();  // what the victim expects to read; the TEE has signed otherwise
  stated.evidence = GenuineEvidenceOverOwnConnection().evidence;
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(stated));
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
  EXPECT_EQ(verifier_->submissions(), 1);
}

TEST_P(VictimTest, EvidenceReplayedOnASecondConnectionIsOfAnotherConnection) {
  const std::string recorded = HonestEvidence();
  ASSERT_NO_FATAL_FAILURE(MeetAnew());
  raw_->Send(recorded);
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_CONNECTION);
}

TEST_P(VictimTest, RefusesAnotherGenuineTeeThatIsNotTheTrustedSoftware) {
  EvidenceFrame e = Honest();
  e.evidence = Attest(e, key_.public_key().spki(), "the attacker's own software");
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_MEASUREMENT_UNKNOWN);
}

TEST_P(VictimTest, RefusesAPeerThatAttestsInTheVictimsRole) {
  EvidenceFrame e = Honest();
  e.role = GetParam();
  raw_->Send(Evidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE);
}

TEST_P(VictimTest, EvidenceOfTheVictimsRoleUnderTheRightNameIsNotBound) {
  EvidenceFrame bound = Honest();
  bound.role = GetParam();
  raw_->Send(Evidence(Honest(), bound));
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_P(VictimTest, RefusesEvidenceForAStaleNonce) {
  EvidenceFrame e = Honest();
  e.nonce = std::string(32, 'o');
  raw_->Send(Evidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_STALE_NONCE);
}

TEST_P(VictimTest, EvidenceForAStaleNonceUnderTheRightOneIsNotBound) {
  EvidenceFrame bound = Honest();
  bound.nonce = std::string(32, 'o');
  raw_->Send(Evidence(Honest(), bound));
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

// The leaf of the handshake is the attacker's, the Evidence is of the TEE's.
TEST_P(VictimTest, RefusesASwappedLeaf) {
  const crypto::PrivateKey tee = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EvidenceFrame e = Honest();
  e.own_key_sha256 = tee.public_key().spki_sha256();
  e.evidence = Attest(e, tee.public_key().spki());
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_KEY);
}

TEST_P(VictimTest, EvidenceOfAnotherKeyUnderTheRightNameIsNotBound) {
  EvidenceFrame e = Honest();
  e.evidence = Attest(e, crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().spki());
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_P(VictimTest, RefusesEvidenceMadeForAnotherPeer) {
  EvidenceFrame e = Honest();
  e.peer_key_sha256 = std::string(32, 'x');
  raw_->Send(Evidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_PEER_KEY);
}

TEST_P(VictimTest, RefusesEvidenceMadeForAPeerWithoutALeaf) {
  EvidenceFrame e = Honest();
  e.peer_key_sha256 = std::string(32, '\0');
  raw_->Send(Evidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_PEER_KEY);
}

TEST_P(VictimTest, EvidenceMadeForAnotherPeerUnderTheRightNameIsNotBound) {
  EvidenceFrame bound = Honest();
  bound.peer_key_sha256 = std::string(32, 'x');
  raw_->Send(Evidence(Honest(), bound));
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_P(VictimTest, RefusesEvidenceForAnotherRelyingParty) {
  challenge_.relying_party = "https://somebody-else.example.org";
  raw_->Send(HonestEvidence());
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_P(VictimTest, RefusesEvidenceOfAMediaTypeThatTheVerifierDoesNotTake) {
  EvidenceFrame stated = Honest();
  stated.media_type = "application/eat+cwt";
  raw_->Send(Evidence(stated, Honest()));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED);
}

TEST_P(VictimTest, RefusesHugeEvidenceFromItsHeader) {
  raw_->Send("\x02\xFF\xFF\xFF");
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE);
}

TEST_P(VictimTest, RefusesTruncatedEvidence) {
  const std::string whole = HonestEvidence();
  raw_->SendFrame(FrameType::kEvidence, whole.substr(kFrameHeader, whole.size() - kFrameHeader - 1));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

// The victim's own Evidence comes back to it, over its own challenge.
class ReflectionTest : public SessionAttackTest, public ::testing::WithParamInterface<Role> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Meet(GetParam()));
    raw_->SendFrame(FrameType::kChallenge, WriteChallenge(challenge_));
    const std::optional<Frame> frame = AwaitFrame();
    ASSERT_TRUE(frame.has_value()) << (*Victim())->why();
    ASSERT_EQ(frame->type, FrameType::kEvidence);
    ASSERT_OK_AND_ASSIGN(own_, ReadEvidence(frame->body));
  }
  EvidenceFrame own_;
};
INSTANTIATE_TEST_SUITE_P(, ReflectionTest, ::testing::Values(Role::kClient, Role::kServer),
                         [](const auto& info) { return std::string(RoleName(info.param)); });

TEST_P(ReflectionTest, ReflectedEvidenceIsOfTheWrongRole) {
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(own_));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE);
}

TEST_P(ReflectionTest, ReflectedEvidenceWithARewrittenStatementIsNotBound) {
  EvidenceFrame stated = Honest();
  stated.evidence = own_.evidence;
  raw_->SendFrame(FrameType::kEvidence, WriteEvidence(stated));
  ExpectVictimRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

// A client that shows no leaf is nobody, and Evidence that was made for somebody is not for it.
TEST_F(SessionAttackTest, RefusesEvidenceMadeForSomebodyWhenItShowsNoLeaf) {
  Frame challenge;
  ASSERT_NO_FATAL_FAILURE(AwaitChallengeOfClient(key_, challenge));
  ASSERT_OK_AND_ASSIGN(challenge_, ReadChallenge(challenge.body));
  raw_->Send(nothing_demanded_);
  EvidenceFrame e = Honest();
  ASSERT_EQ(e.peer_key_sha256, std::string(32, '\0'));
  e.peer_key_sha256 = std::string(32, 'x');
  raw_->Send(Evidence(e));
  ExpectVictimRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_PEER_KEY);
}

TEST_F(SessionAttackTest, RefusesALeafWithAKat) {
  StartClient(Client(kSessionOnly));
  RawOptions options = SessionServer(key_);
  options.leaf_der = *MakeLeaf(key_, CmwRecord{kEvidenceMediaType, "x"}, clock_.Now(), random_);
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID));
}

TEST_F(SessionAttackTest, RefusesAChainBehindTheLeaf) {
  StartClient(Client(kSessionOnly));
  RawOptions options = SessionServer(key_);
  options.further_certificates = {options.leaf_der};
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID));
}

}  // namespace
}  // namespace twi::atls
