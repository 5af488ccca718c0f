// A victim of ours in profile session, which challenges, against an attacker who is only OpenSSL and the test.
#ifndef TWI_COMMON_ATTESTED_TLS_SESSION_ATTACKS_FIXTURE_H_
#define TWI_COMMON_ATTESTED_TLS_SESSION_ATTACKS_FIXTURE_H_

#include <optional>
#include <string>
#include <utility>

#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls::testing {

class SessionAttackTest : public AttestedTlsTest {
 protected:
  RawOptions SessionServer(const crypto::PrivateKey& key) {
    RawOptions options = RawServer(key);
    options.ask_for_certificate = true;
    options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
    return options;
  }
  RawOptions SessionClient() {
    RawOptions options;
    options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
    return options;
  }
  RawOptions SessionClient(const crypto::PrivateKey& key) {
    RawOptions options = SessionClient();
    options.key = key;
    options.leaf_der = *MakeLeaf(key, std::nullopt, clock_.Now(), random_);
    return options;
  }

  // Until the victim's challenge is there. Both sides show a leaf.
  void Meet(Role victim) {
    if (victim == Role::kClient) {
      StartClient(AttestingClient(kSessionOnly));
      StartRaw(SessionServer(key_));
    } else {
      StartServer(ChallengingServer(kSessionOnly));
      StartRaw(SessionClient(key_));
    }
    std::optional<Frame> frame = AwaitFrame();
    ASSERT_TRUE(frame.has_value()) << (*Victim())->why();
    ASSERT_EQ(frame->type, FrameType::kChallenge);
    ASSERT_OK_AND_ASSIGN(challenge_, ReadChallenge(frame->body));
  }
  const std::unique_ptr<End>& Victim() const { return server_ != nullptr ? server_ : client_; }
  Role AttackersRole() const { return server_ != nullptr ? Role::kClient : Role::kServer; }
  std::optional<Frame> AwaitFrame() {
    std::optional<Frame> frame;
    EXPECT_TRUE(Drive([&] { return Victim()->closed() || (frame = raw_->NextFrame()).has_value(); }));
    return frame;
  }

  // What an honest TEE that serves key_ on this very connection states.
  EvidenceFrame Honest() const {
    const absl::StatusOr<Leaf> victim = ReadLeaf(raw_->peer_leaf_der(), clock_.Now());
    return {AttackersRole(),
            raw_->Exporter(),
            key_.public_key().spki_sha256(),
            victim.ok() ? victim->key_sha256 : std::string(32, '\0'),
            challenge_.nonce,
            kEvidenceMediaType,
            ""};
  }
  // Evidence of the fake TEE for what `e` states, over the key with this SPKI.
  std::string Attest(const EvidenceFrame& e, const std::string& spki, const std::string& tag = kTrustedTag) const {
    const v1::Binding binding = MakeBinding(Profile::kSession, e.role, e.nonce, challenge_.relying_party,
                                            {spki, e.exporter, e.peer_key_sha256});
    return FakeTee(tag)(binding)->SerializeAsString();
  }
  // The statement, with Evidence for `bound`, which may be another.
  std::string Evidence(EvidenceFrame stated, const EvidenceFrame& bound) const {
    stated.evidence = Attest(bound, key_.public_key().spki());
    return WriteFrame(FrameType::kEvidence, WriteEvidence(stated));
  }
  std::string Evidence(const EvidenceFrame& e) const { return Evidence(e, e); }
  std::string HonestEvidence() const { return Evidence(Honest()); }

  void ExpectVictimRefuses(DenyReason reason) {
    ASSERT_TRUE(Drive([this] { return Settled(Victim()); }));
    EXPECT_TRUE(Victim()->closed());
    EXPECT_THAT((*Victim())->why(), StatusIs(reason));
    EXPECT_EQ((*Victim())->peer(), nullptr);
    EXPECT_EQ(raw_->refused(), DenyReasonName(reason));  // the peer learns the name
  }

  const std::string nothing_demanded_ = WriteFrame(FrameType::kChallenge, "");
  const std::string accepted_ = WriteFrame(FrameType::kAccepted, "");
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  Challenge challenge_;  // the victim's
};

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_SESSION_ATTACKS_FIXTURE_H_
