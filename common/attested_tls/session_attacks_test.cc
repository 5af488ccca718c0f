// Every attack on profile session, each refused with its own reason. The attacker holds whatever TLS lets him hold: a
// TLS end of his own, another genuine TEE, recorded Evidence.
#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class SessionAttackTest : public AttestedTlsTest {
 protected:
  // Our client against a server that is only OpenSSL and the test; until the client's challenge is there.
  void MeetClient(const crypto::PrivateKey& key) {
    Frame challenge;
    ASSERT_NO_FATAL_FAILURE(AwaitChallengeOfClient(key, challenge));
    ASSERT_OK_AND_ASSIGN(challenge_, ReadChallenge(challenge.body));
    raw_->SendFrame(FrameType::kChallenge, "");
  }
  // Our challenging server against a client that is only OpenSSL and the test; until the server's challenge is there.
  void MeetServer(const crypto::PrivateKey& key) {
    StartServer(ChallengingServer(kSessionOnly));
    RawOptions options;
    options.key = key;
    options.leaf_der = *MakeLeaf(key, std::nullopt, clock_.Now(), random_);
    options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
    StartRaw(std::move(options));
    std::optional<Frame> frame;
    ASSERT_TRUE(Drive([&] { return server_->closed() || (frame = raw_->NextFrame()).has_value(); }));
    ASSERT_TRUE(frame.has_value()) << (*server_)->why();
    ASSERT_OK_AND_ASSIGN(challenge_, ReadChallenge(frame->body));
  }
  // What an honest TEE that serves `key` on this very connection states, and its Evidence for these inputs.
  EvidenceFrame Honest(const crypto::PrivateKey& key) {
    return {Role::kServer,
            raw_->Exporter(),
            key.public_key().spki_sha256(),
            std::string(32, '\0'),
            challenge_.nonce,
            kEvidenceMediaType,
            ""};
  }
  std::string Attest(const EvidenceFrame& e, const std::string& spki, const std::string& tag = kTrustedTag) {
    const v1::Binding binding = MakeBinding(Profile::kSession, e.role, e.nonce, challenge_.relying_party,
                                            {spki, e.exporter, e.peer_key_sha256});
    return FakeTee(tag)(binding)->SerializeAsString();
  }
  void SendEvidence(EvidenceFrame e) { raw_->SendFrame(FrameType::kEvidence, WriteEvidence(e)); }
  void ExpectClientRefuses(DenyReason reason) {
    ASSERT_TRUE(Drive([this] { return Settled(client_); }));
    EXPECT_TRUE(client_->closed());
    EXPECT_THAT((*client_)->why(), StatusIs(reason));
    EXPECT_EQ((*client_)->peer(), nullptr);
    EXPECT_EQ(raw_->refused(), DenyReasonName(reason));  // the peer learns the name
  }

  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  Challenge challenge_;
};

TEST_F(SessionAttackTest, TheHonestPeerThatTheAttacksStartFromIsAccepted) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.evidence = Attest(e, key_.public_key().spki());
  SendEvidence(e);
  raw_->SendFrame(FrameType::kAccepted, "");
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_TRUE(client_->open()) << (*client_)->why();
}

// A genuine server of the trusted software, which the attacker reaches as anybody does, and whose TLS identity key he
// even has (as in CVE-2026-33697). He opens a connection of his own to it, hands on the victim's challenge, and the
// answer back.
class RelayTest : public SessionAttackTest {
 protected:
  std::string GenuineEvidenceOverOwnConnection() {
    End genuine(ServerSettings(kSessionOnly, AttesterWithKey(key_, FakeTee())), other_.fd(0), clock_, waker_);
    RawOptions options;
    options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
    RawPeer attacker(std::move(options), other_.fd(1));
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
    return evidence.has_value() ? evidence->body : "";
  }
  SocketPair other_;
};

TEST_F(RelayTest, RelayedEvidenceIsOfAnotherConnection) {
  MeetClient(key_);
  const std::string relayed = GenuineEvidenceOverOwnConnection();
  ASSERT_FALSE(relayed.empty());
  raw_->SendFrame(FrameType::kEvidence, relayed);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_CONNECTION);
}

TEST_F(RelayTest, RelayedEvidenceWithARewrittenStatementIsNotBound) {
  MeetClient(key_);
  ASSERT_OK_AND_ASSIGN(EvidenceFrame e, ReadEvidence(GenuineEvidenceOverOwnConnection()));
  e.exporter = raw_->Exporter();  // the attacker states what the victim expects to read; the TEE has signed otherwise
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_BINDING_MISMATCH);
  EXPECT_EQ(verifier_->submissions(), 1);
}

TEST_F(SessionAttackTest, RefusesAnotherGenuineTeeThatIsNotTheTrustedSoftware) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.evidence = Attest(e, key_.public_key().spki(), "the attacker's own software");
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_MEASUREMENT_UNKNOWN);
}

// Mutual: the victim's own Evidence comes back to it.
TEST_F(SessionAttackTest, ReflectedEvidenceIsOfTheWrongRole) {
  StartClient(AttestingClient(kSessionOnly));
  RawOptions options = RawServer(key_);
  options.ask_for_certificate = true;
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
  StartRaw(std::move(options));
  std::optional<Frame> frame;
  ASSERT_TRUE(Drive([&] { return client_->closed() || (frame = raw_->NextFrame()).has_value(); }));
  ASSERT_TRUE(frame.has_value());
  raw_->SendFrame(FrameType::kChallenge, frame->body);  // the client's own challenge, back to it
  frame.reset();
  ASSERT_TRUE(Drive([&] { return client_->closed() || (frame = raw_->NextFrame()).has_value(); }));
  ASSERT_TRUE(frame.has_value());
  ASSERT_EQ(frame->type, FrameType::kEvidence);
  raw_->SendFrame(FrameType::kEvidence, frame->body);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE);
}

TEST_F(SessionAttackTest, ReflectedEvidenceWithTheRoleRewrittenIsNotBound) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.role = Role::kClient;
  e.evidence = Attest(e, key_.public_key().spki());
  e.role = Role::kServer;
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_F(SessionAttackTest, RefusesAServerThatAttestsAsClient) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.role = Role::kClient;
  e.evidence = Attest(e, key_.public_key().spki());
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE);
}

TEST_F(SessionAttackTest, EvidenceReplayedOnASecondConnectionIsOfAnotherConnection) {
  MeetClient(key_);
  EvidenceFrame recorded = Honest(key_);
  recorded.evidence = Attest(recorded, key_.public_key().spki());
  SocketPair second;
  End client(Client(kSessionOnly), second.fd(1), clock_, waker_);
  RawOptions options = RawServer(key_);
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
  RawPeer server(std::move(options), second.fd(0));
  bool sent = false;
  ASSERT_TRUE(DriveUntil(
      waker_, {second.fd(0), second.fd(1)},
      [&] {
        client.Advance(clock_.Now());
        server.Step();
        if (!sent && server.NextFrame().has_value()) {
          server.SendFrame(FrameType::kChallenge, "");
          server.SendFrame(FrameType::kEvidence, WriteEvidence(recorded));
          sent = true;
        }
      },
      [&] { return client.closed() || client.open(); }));
  EXPECT_THAT(client->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_WRONG_CONNECTION));
}

TEST_F(SessionAttackTest, RefusesEvidenceForAStaleNonce) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.nonce = std::string(32, 'o');
  e.evidence = Attest(e, key_.public_key().spki());
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_STALE_NONCE);
}

TEST_F(SessionAttackTest, EvidenceForAStaleNonceThatIsRewrittenIsNotBound) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  const std::string nonce = e.nonce;
  e.nonce = std::string(32, 'o');
  e.evidence = Attest(e, key_.public_key().spki());
  e.nonce = nonce;
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

// The leaf of the handshake is the attacker's, the Evidence is of the TEE's.
TEST_F(SessionAttackTest, RefusesASwappedLeaf) {
  MeetClient(key_);
  const crypto::PrivateKey tee = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EvidenceFrame e = Honest(tee);
  e.evidence = Attest(e, tee.public_key().spki());
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_KEY);
}

TEST_F(SessionAttackTest, EvidenceOfAnotherKeyUnderTheRightNameIsNotBound) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.evidence = Attest(e, crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().spki());
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_F(SessionAttackTest, RefusesEvidenceMadeForAnotherPeer) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.peer_key_sha256 = std::string(32, 'x');
  e.evidence = Attest(e, key_.public_key().spki());
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_WRONG_PEER_KEY);
}

TEST_F(SessionAttackTest, RefusesEvidenceForAnotherRelyingParty) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  challenge_.relying_party = "https://somebody-else.example.org";
  e.evidence = Attest(e, key_.public_key().spki());
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_F(SessionAttackTest, RefusesHugeEvidenceFromItsHeader) {
  MeetClient(key_);
  raw_->Send(std::string("\x02\xFF\xFF\xFF", 4));
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE);
}

TEST_F(SessionAttackTest, RefusesTruncatedEvidence) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.evidence = Attest(e, key_.public_key().spki());
  const std::string whole = WriteEvidence(e);
  raw_->SendFrame(FrameType::kEvidence, whole.substr(0, whole.size() - 1));
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

TEST_F(SessionAttackTest, RefusesEvidenceOfAMediaTypeThatTheVerifierDoesNotTake) {
  MeetClient(key_);
  EvidenceFrame e = Honest(key_);
  e.evidence = Attest(e, key_.public_key().spki());
  e.media_type = "application/eat+cwt";
  SendEvidence(e);
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED);
}

TEST_F(SessionAttackTest, RefusesApplicationDataInPlaceOfTheExchange) {
  MeetClient(key_);
  raw_->Send("HTTP/1.1 200 OK\r\n\r\n");
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

TEST_F(SessionAttackTest, RefusesAcceptanceInPlaceOfEvidence) {
  MeetClient(key_);
  raw_->SendFrame(FrameType::kAccepted, "");
  raw_->SendFrame(FrameType::kAccepted, "");
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

TEST_F(SessionAttackTest, AcceptanceAloneOpensNothing) {
  MeetClient(key_);
  raw_->SendFrame(FrameType::kAccepted, "");
  for (int i = 0; i < 20; ++i) Step();
  EXPECT_FALSE(client_->open());
  clock_.Advance(absl::Seconds(11));
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT);
}

TEST_F(SessionAttackTest, RefusesFramesOutOfOrderOrTwice) {
  MeetClient(key_);
  raw_->SendFrame(FrameType::kChallenge, "");
  ExpectClientRefuses(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID);
}

// The reason stands behind a frame that is on its way, never in it: the peer takes Evidence that the socket did not
// hold at once, and then reads why it is refused.
TEST_F(SessionAttackTest, TheReasonComesBehindAFrameThatIsHalfSent) {
  const std::string report(250'000, 'r');  // more than a socket pair holds
  StartServer(ServerSettings(kSessionOnly, *MakeAttester(
                                               [report](const v1::Binding&) -> absl::StatusOr<v1::Evidence> {
                                                 v1::Evidence evidence;
                                                 evidence.mutable_sev_snp()->set_report(report);
                                                 return evidence;
                                               },
                                               random_)));
  RawOptions options;
  options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
  StartRaw(std::move(options));
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
  EXPECT_THAT(types, ::testing::ElementsAre(FrameType::kChallenge, FrameType::kAccepted, FrameType::kEvidence,
                                            FrameType::kRefused));
  EXPECT_EQ(last->body, "ATTESTED_TLS_TIMEOUT");
}

TEST_F(SessionAttackTest, RefusesAMalformedChallenge) {
  MeetServer(key_);
  raw_->SendFrame(FrameType::kChallenge, "x");
  ASSERT_TRUE(Drive([this] { return Settled(server_); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID));
}

TEST_F(SessionAttackTest, AClientWithoutAttesterSaysSoWhenChallenged) {
  StartClient(Client(kSessionOnly));
  RawOptions options = RawServer(key_);
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([&] { return client_->closed() || raw_->NextFrame().has_value(); }));
  raw_->SendFrame(FrameType::kChallenge, WriteChallenge({std::string(32, 'n'), {"a/b"}, "https://rp.example.org"}));
  ExpectClientRefuses(v1::DENY_REASON_ATTESTER_FAILED);
}

TEST_F(SessionAttackTest, ANotRefusedServerSeesTheClientsEvidenceFirst) {
  MeetServer(key_);
  raw_->SendFrame(FrameType::kChallenge, "");
  raw_->SendFrame(FrameType::kAccepted, "");
  raw_->Send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(Drive([this] { return Settled(server_); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID));
}

TEST_F(SessionAttackTest, RefusesALeafWithAKatInProfileSession) {
  StartClient(Client(kSessionOnly));
  RawOptions options = RawServer(key_, CmwRecord{kEvidenceMediaType, "x"});
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID));
}

TEST_F(SessionAttackTest, RefusesAChainBehindTheLeaf) {
  StartClient(Client(kSessionOnly));
  RawOptions options = RawServer(key_);
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
  options.further_certificates = {options.leaf_der};
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID));
}

TEST_F(SessionAttackTest, APeerThatGoesAwayWithinTheExchangeIsRefused) {
  MeetClient(key_);
  raw_.reset();
  pair_.Close(0);
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(1)}, [this] { client_->Advance(clock_.Now()); }, [this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED));
}

}  // namespace
}  // namespace twi::atls
