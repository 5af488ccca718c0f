#include "services/workload_agent/mechanism_c.h"

#include "common/testing/matchers.h"
#include "services/workload_agent/testing/fake_services.h"

namespace twi::agent {
namespace {

using namespace testing;  // NOLINT: the fakes
using ::testing::HasSubstr;
using twi::testing::FakeClock;
using twi::testing::StatusIs;

class MechanismCTest : public ::testing::Test {
 protected:
  absl::StatusOr<AcquiredCredential> Acquire() {
    return AcquireByMechanismC(
        {terms_, attester_, verifier_, keys_, authority_, clock_, clock_.Now() + absl::Seconds(30)});
  }
  FakeClock clock_;
  FakeIssuer issuer_{clock_.Now()};
  FakeAttester attester_;
  FakeVerifier verifier_{clock_, issuer_};
  VerifierKeyCache keys_;
  FakeCredentialAuthority authority_{issuer_, verifier_};
  AcquisitionTerms terms_ = Terms(issuer_);
};

TEST_F(MechanismCTest, AcquiresWithEvidenceThatOnlyTheVerifierReads) {
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.facts.workload_identifier, kIdentifier);
  EXPECT_EQ(attester_.attested[0].nonce(), "authority-nonce-1");  // the relying party's own
  EXPECT_EQ(verifier_.challenges, 0);
  EXPECT_EQ(authority_.opened_evidence.format_case(), v1::Evidence::kSevSnp);
}

TEST_F(MechanismCTest, AsksForTheVerifiersKeyOnceInFiveMinutes) {
  ASSERT_OK(Acquire().status());
  ASSERT_OK(Acquire().status());
  EXPECT_EQ(verifier_.key_fetches, 1);
  clock_.Advance(absl::Minutes(5));
  ASSERT_OK(Acquire().status());
  EXPECT_EQ(verifier_.key_fetches, 2);
}

TEST_F(MechanismCTest, AsksAnewAfterARefusal) {
  authority_.refuse = Deny(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED, "rotated");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED));
  EXPECT_EQ(authority_.issues, 1);
  authority_.refuse = absl::OkStatus();
  ASSERT_OK(Acquire().status());
  EXPECT_EQ(verifier_.key_fetches, 2);
}

TEST_F(MechanismCTest, AsksTheAuthorityForItsWitKeysWhereNoFileHasThem) {
  ASSERT_OK(Acquire().status());
  EXPECT_EQ(authority_.bundle_fetches, 0);
  terms_.wit_bundle.clear();
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(authority_.bundle_fetches, 1);
  EXPECT_EQ(acquired.wit_bundle, issuer_.wit_bundle());
}

TEST_F(MechanismCTest, RefusesACredentialWithoutTheWitThatItAskedFor) {
  authority_.credential_changes.with_wit = false;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no WIT")));
  terms_.wit_bundle.clear();  // B and C ask for both forms all the same
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no WIT")));
}

TEST_F(MechanismCTest, RefusesAWitAndItsBundleOfAnotherIssuer) {
  const FakeIssuer other(clock_.Now());
  const auto refused = StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("WIT: JWS_KEY_UNKNOWN"));
  authority_.credential_changes.wit_issuer = &other;
  EXPECT_THAT(Acquire(), refused);
  terms_.wit_bundle.clear();
  EXPECT_THAT(Acquire(), refused);
}

TEST_F(MechanismCTest, RefusesACredentialForAnotherKey) {
  const crypto::PrivateKey other = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  authority_.issue_to = &other.public_key();
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
}

TEST_F(MechanismCTest, RefusesAVerifierWithoutAUsableEncryptionKey) {
  class NoKey final : public client::VerifierClient {
   public:
    absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time) override { return absl::InternalError(""); }
    absl::StatusOr<v1::AppraiseResponse> Appraise(const v1::AppraiseRequest&, absl::Time) override {
      return absl::InternalError("");
    }
    absl::StatusOr<v1::AppraiseResponse> AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest&,
                                                                 absl::Time) override {
      return absl::InternalError("");
    }
    absl::StatusOr<v1::RequestCredentialResponse> RequestCredential(const v1::RequestCredentialRequest&,
                                                                    absl::Time) override {
      return absl::InternalError("");
    }
    absl::StatusOr<v1::GetVerifierKeysResponse> GetVerifierKeys(absl::Time) override { return keys; }
    v1::GetVerifierKeysResponse keys;
  } verifier;
  EXPECT_THAT(keys_.Get(verifier, clock_.Now(), clock_.Now()), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
  verifier.keys.set_encryption_key_id("hpke-1");
  verifier.keys.set_encryption_key_spki("not a key");
  EXPECT_THAT(keys_.Get(verifier, clock_.Now(), clock_.Now()), StatusIs(v1::DENY_REASON_KEY_MALFORMED));
}

}  // namespace
}  // namespace twi::agent
