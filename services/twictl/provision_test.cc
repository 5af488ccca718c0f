// Mechanism D, provisioning, at the Workload Owner: what is asked of whom, and what is believed.
#include "services/twictl/provision.h"

#include <functional>

#include "common/crypto/csr.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509_builder.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/key_store/release_policy.h"

namespace twi::twictl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

constexpr char kIdentifier[] = "spiffe://example.org/payroll/worker";
constexpr char kAnticipated[] =
    R"({"status": "affirming", "software": {"name": "payroll: \"worker\" #1", "version": "1.2.0", "vendor": "v"}})";

absl::Status NotInThisTest() { return Deny(v1::DENY_REASON_INTERNAL, "not in this test"); }

class FakeMapper final : public client::ClaimsMapperClient {
 public:
  absl::StatusOr<v1::PlanClaimsResponse> PlanClaims(const v1::PlanClaimsRequest& request, absl::Time) override {
    ++calls;
    asked = request;
    EXPECT_EQ(request.anticipated_results_json(), kAnticipated);
    EXPECT_EQ(request.rp_id(), "https://ca");
    if (!refusal.ok()) return refusal;
    v1::PlanClaimsResponse plan;
    plan.set_workload_identifier(kIdentifier);
    plan.set_grant("the grant");
    plan.set_claims_json(R"({"team": "payroll"})");
    plan.add_claims()->set_name("team");
    return plan;
  }
  absl::StatusOr<std::string> MapClaims(v1::InputKind, absl::string_view, absl::string_view, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::PutPolicyResponse> PutPolicy(absl::string_view, absl::Time) override { return NotInThisTest(); }
  absl::StatusOr<v1::ListPoliciesResponse> ListPolicies(absl::string_view, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::GetPolicyVersionsResponse> GetPolicyVersions(const std::vector<std::string>&,
                                                                  absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<jose::JwkSet> GetGrantKeys(absl::Time) override { return NotInThisTest(); }
  int calls = 0;
  v1::PlanClaimsRequest asked;
  absl::Status refusal;
};

class FakeKeyStore final : public client::KeyStoreClient {
 public:
  absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const v1::ProvisionKeyRequest& request, absl::Time) override {
    asked = request;
    v1::ProvisionKeyResponse made;
    made.set_key_id("0011");
    made.set_public_key(key.public_key().spki());
    made.set_csr(*crypto::MakeCsr(csr_key));
    made.set_counter_signature("the counter-signature");
    return made;
  }
  absl::StatusOr<v1::ReleaseKeyResponse> ReleaseKey(const v1::ReleaseKeyRequest&, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::ListKeysResponse> ListKeys(absl::Time) override { return NotInThisTest(); }
  absl::StatusOr<v1::GetKeyStoreKeysResponse> GetKeyStoreKeys(absl::Time) override { return NotInThisTest(); }
  crypto::PrivateKey key = *crypto::PrivateKey::Generate(crypto::KeyType::kP256), csr_key = key;
  v1::ProvisionKeyRequest asked;
};

class FakeAuthority final : public client::CredentialAuthorityClient {
 public:
  absl::StatusOr<v1::IssueResponse> IssueForOwner(const v1::IssueForOwnerRequest& request, absl::Time) override {
    EXPECT_EQ(request.grant(), "the grant");
    EXPECT_EQ(request.counter_signature(), "the counter-signature");
    crypto::CertificateTemplate root;
    root.serial = "\x01";
    root.issuer_der = root.subject_der = crypto::NameFromCommonName("ca");
    root.not_before = now - absl::Hours(1);
    root.not_after = now + absl::Hours(1);
    root.subject_spki = issuer.public_key().spki();
    root.is_ca = true;
    root.key_usage = crypto::kKeyUsageKeyCertSign;
    crypto::CertificateTemplate leaf = root;
    leaf.serial = "\x02";
    leaf.subject_der = crypto::EmptyName();
    leaf.is_ca = false;
    leaf.key_usage = crypto::kKeyUsageDigitalSignature;
    leaf.uri_sans = {kIdentifier};
    leaf.subject_spki = crypto::ParseAndVerifyCsr(request.csr())->public_key.spki();
    change(leaf);
    v1::IssueResponse response;
    response.mutable_credential()->add_x509_chain(*crypto::SignCertificate(leaf, signer));
    response.mutable_credential()->add_x509_bundle(*crypto::SignCertificate(root, issuer));
    response.mutable_credential()->set_serial("02");
    return response;
  }
  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time) override { return NotInThisTest(); }
  absl::StatusOr<v1::IssueResponse> IssueForVerifier(const v1::IssueForVerifierRequest&, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::IssueResponse> IssueFromResults(const v1::IssueFromResultsRequest&, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const v1::IssueFromEvidenceRequest&, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::GetIssuanceResponse> GetIssuance(const v1::GetIssuanceRequest&, absl::Time) override {
    return NotInThisTest();
  }
  absl::StatusOr<v1::GetTrustBundleResponse> GetTrustBundle(absl::Time) override { return NotInThisTest(); }
  absl::Time now;
  crypto::PrivateKey issuer = *crypto::PrivateKey::Generate(crypto::KeyType::kP256), signer = issuer;
  std::function<void(crypto::CertificateTemplate&)> change = [](crypto::CertificateTemplate&) {};
};

class ProvisionTest : public ::testing::Test {
 protected:
  ProvisionTest() {
    authority_.now = now_;
    wish_.anticipated_json = kAnticipated;
    wish_.target = "https://db";
    wish_.key_type = v1::CREDENTIAL_KEY_TYPE_P256;
  }
  absl::StatusOr<Provisioned> Run() {
    return Provision({mapper_, store_, authority_, "https://ca", clock_, now_ + absl::Seconds(30)}, wish_);
  }

  const twi::testing::FakeClock clock_;
  const absl::Time now_ = clock_.Now();
  FakeMapper mapper_;
  FakeKeyStore store_;
  FakeAuthority authority_;
  ProvisionWish wish_;
};

TEST_F(ProvisionTest, GetsACredentialForTheKeyInTheStore) {
  ASSERT_OK_AND_ASSIGN(const Provisioned done, Run());
  EXPECT_EQ(done.key_id, "0011");
  EXPECT_EQ(done.workload_identifier, kIdentifier);
  EXPECT_EQ(store_.asked.release_policy(), done.release_policy);
  EXPECT_EQ(mapper_.asked.release_policy(), done.release_policy) << "the plan is for the very policy of the key";
  EXPECT_EQ(store_.asked.target(), "https://db");
  EXPECT_EQ(store_.asked.key_id(), "");
}

TEST_F(ProvisionTest, TheMadePolicyPinsTheSoftwareNotItsVersion) {
  ASSERT_OK_AND_ASSIGN(const Provisioned done, Run());
  EXPECT_OK(key_store::ReleasePolicy::Compile(done.release_policy));
  EXPECT_THAT(done.release_policy, Not(HasSubstr("1.2.0")));
  EXPECT_THAT(MakeReleasePolicy({{"status", "affirming"}}), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
}

TEST_F(ProvisionTest, RefusesAPolicyThatTheAnticipatedResultsDoNotMeet) {
  wish_.release_policy = "conditions:\n- name: c\n  expression: results.software.name == \"ledger\"\n";
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED, HasSubstr("anticipated")));
  wish_.release_policy = "conditions:\n- name: c\n  expression: results.status == \"affirming\"\n";
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  EXPECT_EQ(mapper_.calls, 0);
}

// The Claims Mapper tells a peer the reason alone; its owner needs to know what to do.
TEST_F(ProvisionTest, SaysWhatToDoWhenTheReleasePolicyLeavesTooMuchOpen) {
  mapper_.refusal = Deny(v1::DENY_REASON_RELEASE_POLICY_INVALID, "RELEASE_POLICY_INVALID");
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID, HasSubstr("--release-policy (== ")));
  EXPECT_EQ(store_.asked.target(), "") << "no key was made";
  mapper_.refusal = Deny(v1::DENY_REASON_MAPPING_NO_POLICY, "MAPPING_NO_POLICY");
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY, Not(HasSubstr("--release-policy"))));
}

TEST_F(ProvisionTest, RefusesAnticipatedResultsOutsideTheSchema) {
  wish_.anticipated_json = R"({"status": "affirming", "chip_id": "00"})";
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  wish_.anticipated_json = "{";
  EXPECT_FALSE(Run().ok());
}

TEST_F(ProvisionTest, RefusesACsrOfAnotherKey) {
  store_.csr_key = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
}

TEST_F(ProvisionTest, RefusesACredentialForAnotherKeyOrIdentifierOrSigner) {
  authority_.change = [](crypto::CertificateTemplate& leaf) {
    leaf.subject_spki = crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().spki();
  };
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_CREDENTIAL_KEY_MISMATCH));
  authority_.change = [](crypto::CertificateTemplate& leaf) { leaf.uri_sans = {"spiffe://example.org/ledger/worker"}; };
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID, HasSubstr("planned was")));
  authority_.change = [](crypto::CertificateTemplate& leaf) { leaf.not_after = leaf.not_before + absl::Minutes(1); };
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
  authority_.change = [](crypto::CertificateTemplate&) {};
  authority_.signer = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  EXPECT_THAT(Run(), StatusIs(v1::DENY_REASON_CREDENTIAL_INVALID));
}

}  // namespace
}  // namespace twi::twictl
