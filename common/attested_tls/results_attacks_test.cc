// Attestation Results that are not those of this handshake, each refused with its own reason, in both profiles.
#include "common/attested_tls/handshake_attacks_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class ResultsAttackTest : public HandshakeAttackTest {
 protected:
  void ExpectRefused(DenyReason reason) {
    for (const Profile profile : {Profile::kHandshake, Profile::kSession}) {
      SocketPair pair;
      End server(ServerSettings({profile}, GenuineAttester()), pair.fd(0), clock_, waker_);
      End client(Client({profile}), pair.fd(1), clock_, waker_);
      ASSERT_TRUE(DriveUntil(
          waker_, {pair.fd(0), pair.fd(1)},
          [&] {
            server.Advance(clock_.Now());
            client.Advance(clock_.Now());
          },
          [&] { return client.open() || client.closed(); }));
      EXPECT_THAT(client->why(), StatusIs(reason));
    }
  }
};

TEST_F(ResultsAttackTest, RefusesResultsOfAnotherSession) {
  verifier_->tamper = [](AttestationResults& r) { r.nonce = std::string(32, 'x'); };
  ExpectRefused(v1::DENY_REASON_ATTESTED_TLS_STALE_NONCE);
}
TEST_F(ResultsAttackTest, RefusesResultsOfTheOtherRole) {
  verifier_->tamper = [](AttestationResults& r) {
    const bool session = r.target == BindingTarget(Profile::kSession, Role::kServer);
    r.target = BindingTarget(session ? Profile::kSession : Profile::kHandshake, Role::kClient);
  };
  ExpectRefused(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE);
}
TEST_F(ResultsAttackTest, RefusesResultsOfTheOtherProfile) {
  verifier_->tamper = [](AttestationResults& r) {
    const bool session = r.target == BindingTarget(Profile::kSession, Role::kServer);
    r.target = BindingTarget(session ? Profile::kHandshake : Profile::kSession, Role::kServer);
  };
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH);
}
TEST_F(ResultsAttackTest, RefusesResultsOverAnotherBinding) {
  verifier_->tamper = [](AttestationResults& r) { r.reported_binding = std::string(64, 'x'); };
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH);
}
TEST_F(ResultsAttackTest, RefusesResultsOfAnotherVerifier) {
  verifier_->foreign_key = true;
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_UNKNOWN);
}
TEST_F(ResultsAttackTest, RefusesResultsInAnotherVerifiersNameUnderTheRightKey) {
  verifier_->tamper = [](AttestationResults& r) { r.issuer = "spiffe://example.org/twi/other"; };
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_UNKNOWN);
}
TEST_F(ResultsAttackTest, RefusesResultsForAnotherAudience) {
  verifier_->tamper = [](AttestationResults& r) { r.audience = "https://somebody-else.example.org"; };
  ExpectRefused(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE);
}
TEST_F(ResultsAttackTest, RefusesResultsOfAnotherKey) {
  verifier_->tamper = [this](AttestationResults& r) { r.key_spki = spki_; };
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_MISMATCH);
}
TEST_F(ResultsAttackTest, RefusesResultsOfAnotherChannel) {
  verifier_->tamper = [](AttestationResults& r) { r.channel_key_sha256 = std::string(32, 'x'); };
  ExpectRefused(v1::DENY_REASON_RESULTS_WRONG_CHANNEL);
}
TEST_F(ResultsAttackTest, RefusesStaleResults) {
  verifier_->tamper = [](AttestationResults& r) {
    r.issued_at -= absl::Hours(1);
    r.expires_at = r.issued_at + absl::Minutes(5);
  };
  ExpectRefused(v1::DENY_REASON_RESULTS_EXPIRED);
}
TEST_F(ResultsAttackTest, RefusesResultsThatDoNotAffirm) {
  verifier_->tamper = [](AttestationResults& r) { r.status = EarStatus::kWarning; };
  ExpectRefused(v1::DENY_REASON_RESULTS_NOT_AFFIRMING);
}

}  // namespace
}  // namespace twi::atls
