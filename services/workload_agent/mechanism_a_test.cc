#include "services/workload_agent/mechanism_a.h"

#include "common/testing/matchers.h"
#include "services/workload_agent/testing/fake_services.h"

namespace twi::agent {
namespace {

using namespace testing;  // NOLINT: the fakes
using ::testing::HasSubstr;
using twi::testing::FakeClock;
using twi::testing::StatusIs;

class MechanismATest : public ::testing::Test {
 protected:
  absl::StatusOr<AcquiredCredential> Acquire() {
    return AcquireByMechanismA({terms_, attester_, verifier_, ChannelKey(), clock_, clock_.Now() + absl::Seconds(30)});
  }
  FakeClock clock_;
  FakeIssuer issuer_{clock_.Now()};
  FakeAttester attester_;
  FakeVerifier verifier_{clock_, issuer_};
  AcquisitionTerms terms_ = Terms(issuer_);
};

TEST_F(MechanismATest, Acquires) {
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.facts.workload_identifier, kIdentifier);
  ASSERT_EQ(attester_.attested.size(), 1u);
  EXPECT_EQ(attester_.attested[0].rp_id(), kRpId);
  EXPECT_EQ(attester_.attested[0].target(), kTarget);
  EXPECT_EQ(attester_.attested[0].nonce(), "verifier-nonce-1");
  EXPECT_FALSE(acquired.credential.wit().empty());
}

TEST_F(MechanismATest, EachAttemptHasItsOwnChallengeAndKey) {
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential first, Acquire());
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential second, Acquire());
  EXPECT_NE(first.key.public_key(), second.key.public_key());
  EXPECT_NE(attester_.attested[0].nonce(), attester_.attested[1].nonce());
}

TEST_F(MechanismATest, EvidenceIsMadeWithinWhatIsLeftOfTheAttempt) {
  ASSERT_OK(Acquire().status());
  EXPECT_EQ(attester_.last_limit, absl::Seconds(30));
}

// The Verifier hands the credential on: what it says about the issuer's keys is not believed.
TEST_F(MechanismATest, RefusesAWitAndABundleThatTheVerifierPlants) {
  const FakeIssuer planted(clock_.Now());
  verifier_.credential_changes.wit_issuer = &planted;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("WIT: JWS_KEY_UNKNOWN")));
  terms_.wit_bundle.clear();
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no bundle")));
}

TEST_F(MechanismATest, InstallsTheConfiguredBundle) {
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.wit_bundle, terms_.wit_bundle);
  EXPECT_EQ(verifier_.last_request.forms_size(), 0) << "both";
}

TEST_F(MechanismATest, AsksForNoWitThatItCouldNotValidate) {
  terms_.wit_bundle.clear();
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.credential.wit(), "");
  ASSERT_EQ(verifier_.last_request.forms_size(), 1);
  EXPECT_EQ(verifier_.last_request.forms(0), v1::CREDENTIAL_FORM_X509);
}

TEST_F(MechanismATest, RefusesACredentialWithoutTheWitThatItAskedFor) {
  verifier_.credential_changes.with_wit = false;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no WIT")));
  terms_.key_type = crypto::KeyType::kEd25519;
  EXPECT_OK(Acquire().status()) << "no WIT can be made for it";
}

TEST_F(MechanismATest, HandsOnARefusal) {
  verifier_.refuse = Deny(v1::DENY_REASON_MEASUREMENT_UNKNOWN, "not authorized");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  EXPECT_EQ(verifier_.challenges, 1);  // nothing is repeated inside an acquisition
}

TEST_F(MechanismATest, HandsOnTheAttestersFailure) {
  attester_.fail = Deny(v1::DENY_REASON_ATTESTER_FAILED, "no TEE");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

TEST_F(MechanismATest, RefusesResultsForAnotherRelyingParty) {
  verifier_.change_results = [](AttestationResults& r) { r.audience = "https://other-ca.example"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE));
}

TEST_F(MechanismATest, RefusesResultsOfAnotherVerifier) {
  verifier_.change_results = [](AttestationResults& r) { r.issuer = "spiffe://example.org/twi/other"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
}

TEST_F(MechanismATest, RefusesAForeignSignature) {
  verifier_.sign_with_foreign_key = true;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
}

TEST_F(MechanismATest, RefusesResultsForAnotherKeyNonceTargetOrChannel) {
  verifier_.change_results = [](AttestationResults& r) {
    r.key_spki = crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().spki();
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH));
  verifier_.change_results = [](AttestationResults& r) { r.nonce = "another nonce"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  verifier_.change_results = [](AttestationResults& r) { r.target = "https://other-db.example"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  verifier_.change_results = [](AttestationResults& r) { r.channel_key_sha256 = std::string(32, 'x'); };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
}

TEST_F(MechanismATest, RefusesResultsWithoutOrWithABadCredential) {
  verifier_.change_results = [](AttestationResults& r) { r.workload_credential_json.reset(); };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  verifier_.change_results = [](AttestationResults& r) { r.workload_credential_json = "{\"x509Chain\":[\"!\"]}"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  verifier_.change_results = [](AttestationResults& r) { r.workload_credential_json = "{\"unknown_member\":1}"; };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

TEST_F(MechanismATest, RefusesACredentialForAnotherIdentifier) {
  verifier_.credential_changes.certificate = [](crypto::CertificateTemplate& c) {
    c.uri_sans = {"spiffe://example.org/other"};
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

}  // namespace
}  // namespace twi::agent
