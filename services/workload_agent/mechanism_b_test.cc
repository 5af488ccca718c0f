#include "services/workload_agent/mechanism_b.h"

#include "common/testing/matchers.h"
#include "services/workload_agent/testing/fake_services.h"

namespace twi::agent {
namespace {

using namespace testing;  // NOLINT: the fakes
using ::testing::HasSubstr;
using twi::testing::FakeClock;
using twi::testing::StatusIs;

class MechanismBTest : public ::testing::Test {
 protected:
  absl::StatusOr<AcquiredCredential> Acquire() {
    return AcquireByMechanismB({terms_, attester_, verifier_, authority_, clock_, clock_.Now() + absl::Seconds(30)});
  }
  FakeClock clock_;
  FakeIssuer issuer_{clock_.Now()};
  FakeAttester attester_;
  FakeVerifier verifier_{clock_, issuer_};
  FakeCredentialAuthority authority_{issuer_, verifier_};
  AcquisitionTerms terms_ = Terms(issuer_);
};

TEST_F(MechanismBTest, Acquires) {
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(acquired.facts.workload_identifier, kIdentifier);
  const v1::Binding& sent = authority_.last_from_results.binding();
  EXPECT_EQ(sent.SerializeAsString(),
            attester_.attested[0].SerializeAsString());  // the Credential Authority recomputes what was attested
  EXPECT_EQ(sent.nonce(), "verifier-nonce-1");
  EXPECT_EQ(sent.rp_id(), kRpId);
  EXPECT_EQ(authority_.challenges, 0);
}

TEST_F(MechanismBTest, AcquiresEveryKeyType) {
  for (const crypto::KeyType type :
       {crypto::KeyType::kP256, crypto::KeyType::kP384, crypto::KeyType::kEd25519, crypto::KeyType::kRsa3072}) {
    terms_.key_type = type;
    ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
    EXPECT_EQ(acquired.key.type(), type);
  }
}

TEST_F(MechanismBTest, AsksForNoCredentialAfterARefusedAppraisal) {
  verifier_.refuse = Deny(v1::DENY_REASON_DEBUG_ENABLED, "policy");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_DEBUG_ENABLED));
  EXPECT_EQ(authority_.issues, 0);
}

TEST_F(MechanismBTest, HandsOnTheAuthoritysRefusalAndRepeatsNothing) {
  authority_.refuse = Deny(v1::DENY_REASON_MAPPING_NO_POLICY, "nobody");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  EXPECT_EQ(authority_.issues, 1);
  authority_.refuse = Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "down");
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_EQ(authority_.issues, 2);
}

TEST_F(MechanismBTest, AsksTheAuthorityForItsWitKeysWhereNoFileHasThem) {
  ASSERT_OK(Acquire().status());
  EXPECT_EQ(authority_.bundle_fetches, 0);
  terms_.wit_bundle.clear();
  ASSERT_OK_AND_ASSIGN(const AcquiredCredential acquired, Acquire());
  EXPECT_EQ(authority_.bundle_fetches, 1);
  EXPECT_EQ(acquired.wit_bundle, issuer_.wit_bundle());
}

TEST_F(MechanismBTest, RefusesACredentialWithoutTheWitThatItAskedFor) {
  authority_.credential_changes.with_wit = false;
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no WIT")));
  terms_.wit_bundle.clear();  // B and C ask for both forms all the same
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("no WIT")));
}

TEST_F(MechanismBTest, RefusesAWitAndItsBundleOfAnotherIssuer) {
  const FakeIssuer other(clock_.Now());
  const auto refused = StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("WIT: JWS_KEY_UNKNOWN"));
  authority_.credential_changes.wit_issuer = &other;
  EXPECT_THAT(Acquire(), refused);
  terms_.wit_bundle.clear();
  EXPECT_THAT(Acquire(), refused);
}

TEST_F(MechanismBTest, RefusesACredentialForAnotherKey) {
  const crypto::PrivateKey other = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  authority_.issue_to = &other.public_key();
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
}

TEST_F(MechanismBTest, RefusesAnExpiredCredentialAndAnotherIdentifier) {
  authority_.credential_changes.certificate = [&](crypto::CertificateTemplate& c) {
    c.not_after = clock_.Now() - absl::Seconds(1);
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  authority_.credential_changes.certificate = [](crypto::CertificateTemplate& c) {
    c.uri_sans = {"spiffe://example.org/other"};
  };
  EXPECT_THAT(Acquire(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

}  // namespace
}  // namespace twi::agent
