// The Key Store: whom it releases a key to, and whom not. A sealed key from another signer is refused by the agent:
// refusals_sealed_key_test, services/workload_agent/mechanism_d_test.cc, and below.
#include <functional>

#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/jose/jwk.h"
#include "common/sealed_key/sealed_key.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/stand_in_verifier.h"

namespace twi::integration {
namespace {

using ::testing::AnyOf;
using testing::StatusIs;

v1::ProvisionKeyRequest ProvisionRequest(const Deployment& deployment) {
  v1::ProvisionKeyRequest request;
  request.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
  request.set_release_policy(deployment.Read("config/release_policy.yaml"));
  request.set_target(kTarget);
  return request;
}

v1::ReleaseKeyRequest ReleaseRequest(const std::string& key_id, const Attested& attested) {
  v1::ReleaseKeyRequest request;
  request.set_key_id(key_id);
  request.set_attestation_results(attested.results);
  *request.mutable_binding() = attested.binding;
  return request;
}

class KeyStoreTest : public DeploymentTest {
 protected:
  static void SetUpTestSuite() {
    DeploymentTest::SetUpTestSuite();
    Caller owner = Caller::Holder(*deployment_, "owners/payroll");
    key_id_ = owner.ProvisionKey(ProvisionRequest(*deployment_)).value().key_id();
  }
  absl::StatusOr<Attested> Attest(Caller& workload, const std::string& rp_id = kKeyStoreRpId,
                                  const std::string& target = kTarget) {
    return AttestAndAppraise(*deployment_, workload, Tee::kSevSnp, encryption_key_.spki(), rp_id, target);
  }

  inline static std::string key_id_;
  const crypto::HpkePrivateKey encryption_key_ = crypto::HpkePrivateKey::Generate().value();
  Caller workload_ = Caller::Workload(*deployment_);
  Caller owner_ = Caller::Holder(*deployment_, "owners/payroll");
};

TEST_F(KeyStoreTest, ControlIsReleasedOnce) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  EXPECT_OK(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)));
  EXPECT_THAT(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_F(KeyStoreTest, RefusesAKeyThatTheResultsDoNotName) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  const crypto::HpkePrivateKey other = crypto::HpkePrivateKey::Generate().value();
  v1::ReleaseKeyRequest request = ReleaseRequest(key_id_, attested);
  request.mutable_binding()->set_subject(other.spki());
  EXPECT_THAT(workload_.ReleaseKey(request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  EXPECT_OK(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)));
}

TEST_F(KeyStoreTest, RefusesResultsThatNameACredentialKey) {
  const Requester requester;
  ASSERT_OK_AND_ASSIGN(const Attested attested,
                       AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, requester.csr, kKeyStoreRpId));
  EXPECT_THAT(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)), StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH))
      << "nothing to seal to";
}

TEST_F(KeyStoreTest, RefusesResultsForTheCredentialAuthority) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_, kAuthorityRpId));
  EXPECT_THAT(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)),
              StatusIs(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE));
}

TEST_F(KeyStoreTest, RefusesAnotherChannel) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  Caller thief = Caller::Workload(*deployment_);
  EXPECT_THAT(thief.ReleaseKey(ReleaseRequest(key_id_, attested)), StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
}

TEST_F(KeyStoreTest, RefusesAnotherTarget) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_, kKeyStoreRpId, "https://other.example.org"));
  EXPECT_THAT(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)), StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
}

TEST_F(KeyStoreTest, RefusesAKeyThatIsNotThere) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  EXPECT_THAT(workload_.ReleaseKey(ReleaseRequest(std::string(32, '0'), attested)),
              StatusIs(v1::DENY_REASON_KEY_UNKNOWN));
  EXPECT_THAT(workload_.ReleaseKey(ReleaseRequest("", attested)), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST_F(KeyStoreTest, RefusesEveryFlippedCharacterOfTheResults) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  for (std::size_t at = 0; at < attested.results.size(); at += 5) {
    v1::ReleaseKeyRequest request = ReleaseRequest(key_id_, attested);
    std::string& jws = *request.mutable_attestation_results();
    jws[at] = jws[at] == 'A' ? 'B' : 'A';
    EXPECT_THAT(workload_.ReleaseKey(request),
                AnyOf(StatusIs(v1::DENY_REASON_RESULTS_MALFORMED), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN),
                      StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID)))
        << at;
  }
  EXPECT_OK(workload_.ReleaseKey(ReleaseRequest(key_id_, attested)));
}

TEST_F(KeyStoreTest, ASealedKeyOpensForItsRequestAndSignerOnly) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  ASSERT_OK_AND_ASSIGN(const v1::ReleaseKeyResponse released, workload_.ReleaseKey(ReleaseRequest(key_id_, attested)));
  ASSERT_OK_AND_ASSIGN(const v1::GetKeyStoreKeysResponse published, workload_.GetKeyStoreKeys());
  ASSERT_OK_AND_ASSIGN(const jose::JwkSet keys, jose::JwkSetFromText(published.jwks()));
  SealedKeyContext context;
  context.rp_id = kKeyStoreRpId;
  context.target = kTarget;
  context.nonce = attested.binding.nonce();
  context.key_id = key_id_;
  context.results_sha256 = crypto::Sha256(attested.results);
  const auto open = [&](const std::string& sealed, const jose::JwkSet& signers, const SealedKeyContext& of,
                        const crypto::HpkePrivateKey& recipient) {
    return OpenSealedKey(sealed, signers, kKeyStoreId, of, recipient).status();
  };
  EXPECT_OK(open(released.sealed_key(), keys, context, encryption_key_));
  const Requester other;
  const jose::JwkSet others{{jose::Jwk{keys.keys[0].kid, "ES256", "sig", other.key.public_key()}}};
  EXPECT_THAT(open(released.sealed_key(), others, context, encryption_key_),
              StatusIs(v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER));
  SealedKeyContext another = context;
  another.nonce += "x";
  EXPECT_THAT(open(released.sealed_key(), keys, another, encryption_key_),
              StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
  EXPECT_THAT(open(released.sealed_key(), keys, context, crypto::HpkePrivateKey::Generate().value()),
              StatusIs(v1::DENY_REASON_SEALED_KEY_INVALID));
}

TEST_F(KeyStoreTest, APolicyCannotBeChangedAndMustBeGood) {
  v1::ProvisionKeyRequest change = ProvisionRequest(*deployment_);
  change.set_key_id(key_id_);
  EXPECT_THAT(owner_.ProvisionKey(change), StatusIs(v1::DENY_REASON_RELEASE_POLICY_IMMUTABLE));
  v1::ProvisionKeyRequest bad = ProvisionRequest(*deployment_);
  bad.set_release_policy("conditions:\n  - {name: any, expression: \"true\"}\n");
  EXPECT_THAT(owner_.ProvisionKey(bad), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID)) << "pins no software";
  bad.set_release_policy("conditions:\n  - {name: typo, expression: 'results.sofware.name == \"payroll-worker\"'}\n");
  EXPECT_THAT(owner_.ProvisionKey(bad), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  bad = ProvisionRequest(*deployment_);
  bad.clear_key_type();
  EXPECT_THAT(owner_.ProvisionKey(bad), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

// Results that the real Verifier would not sign.
class StandInKeyStoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>();
    verifier_ = std::make_unique<StandInVerifier>(*deployment_);
    deployment_->Start(kKeyStore);
    Caller owner = Caller::Holder(*deployment_, "owners/payroll");
    key_id_ = owner.ProvisionKey(ProvisionRequest(*deployment_)).value().key_id();
  }
  static void TearDownTestSuite() {
    deployment_.reset();
    verifier_.reset();
  }
  absl::Status Release(const std::function<void(AttestationResults&)>& change) {
    const v1::Binding binding = MakeBinding("0123456789abcdef", encryption_key_.spki(), kKeyStoreRpId);
    AttestationResults results = verifier_->Results(binding, encryption_key_.spki(), workload_.key_sha256());
    change(results);
    return workload_.ReleaseKey(ReleaseRequest(key_id_, {binding, {}, verifier_->Sign(results)})).status();
  }
  inline static std::unique_ptr<Deployment> deployment_;
  inline static std::unique_ptr<StandInVerifier> verifier_;
  inline static std::string key_id_;
  const crypto::HpkePrivateKey encryption_key_ = crypto::HpkePrivateKey::Generate().value();
  Caller workload_ = Caller::Workload(*deployment_);
};

TEST_F(StandInKeyStoreTest, ControlIsReleased) {
  EXPECT_OK(Release([](AttestationResults&) {}));
}

TEST_F(StandInKeyStoreTest, RefusesToSealToAKeyThatTheResultsDoNotName) {
  const std::string other = crypto::HpkePrivateKey::Generate().value().spki();
  EXPECT_THAT(Release([&](AttestationResults& r) { r.key_spki = other; }),
              StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH));
}

TEST_F(StandInKeyStoreTest, RefusesWhatTheReleasePolicyRefuses) {
  EXPECT_THAT(Release([](AttestationResults& r) { r.software["name"] = "ledger"; }),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
  EXPECT_THAT(Release([](AttestationResults& r) { r.software = nullptr; }),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
}

TEST_F(StandInKeyStoreTest, RefusesWhatIsExpiredOrNotAffirming) {
  EXPECT_THAT(Release([](AttestationResults& r) {
                r.issued_at -= absl::Minutes(5);
                r.expires_at = r.issued_at + absl::Minutes(4);
              }),
              StatusIs(v1::DENY_REASON_RESULTS_EXPIRED));
  EXPECT_THAT(Release([](AttestationResults& r) {
                r.status = EarStatus::kWarning;
                r.trustworthiness["executables"] = 33;
              }),
              StatusIs(v1::DENY_REASON_RESULTS_NOT_AFFIRMING));
}

}  // namespace
}  // namespace twi::integration
