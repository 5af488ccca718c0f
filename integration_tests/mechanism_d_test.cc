// Mechanism D, both phases, step by step against the real daemons; and once by twictl and the real agent.
#include "common/counter_signature/counter_signature.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/sealed_key/sealed_key.h"
#include "common/testing/matchers.h"
#include "integration_tests/expect_credential.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kNoVersion[] = "";  // a key outlives the version that it was provisioned for

class MechanismDTest : public ChannelTest {};

INSTANTIATE_TEST_SUITE_P(, MechanismDTest, EveryWay(), WayOf);

TEST_P(MechanismDTest, StepByStep) {
  Caller owner = Caller::Holder(*deployment_, "owners/payroll");

  // P1: the Claims Mapper plans: identifier, claims, a grant for this owner and this release policy
  const std::string release_policy = deployment_->Read("config/release_policy.yaml");
  v1::PlanClaimsRequest plan;
  plan.set_anticipated_results_json(deployment_->Read("config/anticipated_results.json"));
  plan.set_rp_id(kAuthorityRpId);
  plan.set_release_policy(release_policy);
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, owner.PlanClaims(plan));
  EXPECT_EQ(planned.workload_identifier(), kIdentifier);
  EXPECT_THAT(planned.claims_json(), HasSubstr("\"team\":\"payroll\""));

  // P2: the release policy, made for what is anticipated
  v1::ProvisionKeyRequest provision;
  provision.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
  provision.set_release_policy(release_policy);
  provision.set_target(kTarget);

  // P3: the Key Store generates the Credential Key
  ASSERT_OK_AND_ASSIGN(const v1::ProvisionKeyResponse provisioned, owner.ProvisionKey(provision));

  // P4: public key and key id come back, nothing else of it
  ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(provisioned.public_key()));
  EXPECT_EQ(provisioned.key_id().size(), 32u);

  // P5: with the CSR, signed inside and counter-signed
  ASSERT_OK_AND_ASSIGN(const crypto::Csr csr, crypto::ParseAndVerifyCsr(provisioned.csr()));
  EXPECT_EQ(csr.public_key.spki(), key.spki());
  ASSERT_OK_AND_ASSIGN(const v1::GetKeyStoreKeysResponse published, owner.GetKeyStoreKeys());
  ASSERT_OK_AND_ASSIGN(const jose::JwkSet key_store_keys, jose::JwkSetFromText(published.jwks()));
  CounterSignatureExpectation counter_signature;
  counter_signature.issuer = kKeyStoreId;
  counter_signature.csr_der = provisioned.csr();
  counter_signature.owner = kPayrollOwner;
  counter_signature.now = absl::Now();
  EXPECT_OK(ValidateCounterSignature(provisioned.counter_signature(), key_store_keys, counter_signature));

  // P6: CSR and grant to the Credential Authority
  v1::IssueForOwnerRequest issue;
  issue.set_csr(provisioned.csr());
  issue.set_counter_signature(provisioned.counter_signature());
  issue.set_grant(planned.grant());

  // P7: which signs
  ASSERT_OK_AND_ASSIGN(const v1::IssueResponse issued, owner.IssueForOwner(issue));
  const v1::GetIssuanceResponse record = ExpectIssuance(*deployment_, issued.credential().serial(), "D", key);
  EXPECT_EQ(record.requester(), kPayrollOwner);
  EXPECT_EQ(record.attestation_results_sha256(), "") << "nothing was attested yet";
  EXPECT_EQ(record.key_id(), provisioned.key_id());
  EXPECT_EQ(record.release_policy_sha256(), ToHex(crypto::Sha256(release_policy)));
  EXPECT_EQ(record.counter_signature(), provisioned.counter_signature());
  EXPECT_EQ(record.grant(), planned.grant());

  // P8: the credential is public; whoever reads it still has no key
  Caller workload = Workload();
  ExpectGoodCredential(workload, issued.credential(), key, kNoVersion);

  // D1: an encryption key
  ASSERT_OK_AND_ASSIGN(const crypto::HpkePrivateKey encryption_key, crypto::HpkePrivateKey::Generate());

  // D2: Evidence over it, for the Key Store
  ASSERT_OK_AND_ASSIGN(const v1::NewChallengeResponse challenge, workload.VerifierChallenge());
  v1::AppraiseRequest appraise;
  *appraise.mutable_binding() = MakeBinding(challenge.nonce(), encryption_key.spki(), kKeyStoreRpId);
  *appraise.mutable_evidence() = Attest(*deployment_, tee(), appraise.binding());

  // D3: to the Verifier, which appraises
  ASSERT_OK_AND_ASSIGN(const v1::AppraiseResponse appraised, workload.Appraise(appraise));

  // D4: Attestation Results that name the encryption key
  ASSERT_OK_AND_ASSIGN(const AttestationResults results,
                       ReadResults(workload, appraised.attestation_results(), kKeyStoreRpId));
  EXPECT_EQ(results.key_spki, encryption_key.spki());

  // D5: to the Key Store
  v1::ReleaseKeyRequest release;
  release.set_key_id(provisioned.key_id());
  release.set_attestation_results(appraised.attestation_results());
  *release.mutable_binding() = appraise.binding();
  const std::size_t released_before = deployment_->LogLines(kKeyStore, "released").size();
  ASSERT_OK_AND_ASSIGN(const v1::ReleaseKeyResponse released, workload.ReleaseKey(release));

  // D6: which found them to meet the key's release policy, and recorded it
  const auto lines = deployment_->LogLines(kKeyStore, "released");
  ASSERT_EQ(lines.size(), released_before + 1);
  EXPECT_EQ(lines.back()["key_id"], provisioned.key_id());
  EXPECT_EQ(lines.back()["results_id"], results.jti);

  // D7: sealed to the encryption key, signed, bound to this request
  SealedKeyContext context;
  context.rp_id = kKeyStoreRpId;
  context.target = kTarget;
  context.nonce = challenge.nonce();
  context.key_id = provisioned.key_id();
  context.results_sha256 = crypto::Sha256(appraised.attestation_results());
  ASSERT_OK_AND_ASSIGN(const SecretBytes pkcs8,
                       OpenSealedKey(released.sealed_key(), key_store_keys, kKeyStoreId, context, encryption_key));

  // D8: the key of the credential
  ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey credential_key, crypto::PrivateKey::FromPkcs8(pkcs8));
  EXPECT_EQ(credential_key.public_key().spki(), key.spki());

  EXPECT_THAT(workload.ReleaseKey(release), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  EXPECT_THAT(owner.IssueForOwner(issue), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID))
      << "one credential for one counter-signed request";
}

// With the owner's certificate, and not the key that signs its policies: the identity that a signed policy gives to one
// software is had by no other.
TEST_P(MechanismDTest, AGrantIsGoodForItsReleasePolicyAlone) {
  Caller owner = Caller::Holder(*deployment_, "owners/payroll");
  const std::string planned_with = deployment_->Read("config/release_policy.yaml");
  v1::PlanClaimsRequest plan;
  plan.set_anticipated_results_json(deployment_->Read("config/anticipated_results.json"));
  plan.set_rp_id(kAuthorityRpId);
  EXPECT_THAT(owner.PlanClaims(plan), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED)) << "no release policy";
  const std::string for_others_too =
      "conditions:\n- {name: software, expression: 'results.software.name in [\"payroll-worker\", \"ledger\"]'}\n";
  plan.set_release_policy(for_others_too);
  EXPECT_THAT(owner.PlanClaims(plan), StatusIs(v1::DENY_REASON_RELEASE_POLICY_INVALID));
  plan.set_release_policy(planned_with);
  ASSERT_OK_AND_ASSIGN(const v1::PlanClaimsResponse planned, owner.PlanClaims(plan));

  const auto issue_for_a_key_of = [&](const std::string& release_policy) -> absl::Status {
    v1::ProvisionKeyRequest provision;
    provision.set_key_type(v1::CREDENTIAL_KEY_TYPE_P256);
    provision.set_release_policy(release_policy);
    provision.set_target(kTarget);
    const absl::StatusOr<v1::ProvisionKeyResponse> provisioned = owner.ProvisionKey(provision);
    if (!provisioned.ok()) return provisioned.status();
    v1::IssueForOwnerRequest issue;
    issue.set_csr(provisioned->csr());
    issue.set_counter_signature(provisioned->counter_signature());
    issue.set_grant(planned.grant());
    return owner.IssueForOwner(issue).status();
  };
  EXPECT_THAT(issue_for_a_key_of(for_others_too), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY));
  EXPECT_THAT(issue_for_a_key_of(planned_with + "\n"), StatusIs(v1::DENY_REASON_GRANT_WRONG_KEY)) << "byte for byte";
  EXPECT_OK(issue_for_a_key_of(planned_with)) << "a refusal used nothing up";
}

// The owner may anticipate what it likes: the plan is made for what the release policy lets through.
TEST_P(MechanismDTest, RefusesAPlanForAnotherWorkloadThanTheOneThatGetsTheKey) {
  Caller owner = Caller::Holder(*deployment_, "owners/payroll");
  v1::PlanClaimsRequest plan;
  nlohmann::json anticipated =
      nlohmann::json::parse(deployment_->Read("config/anticipated_results.json"), nullptr, false);
  anticipated["software"]["version"] = "9.9.9";
  plan.set_anticipated_results_json(anticipated.dump());
  plan.set_rp_id(kAuthorityRpId);
  plan.set_release_policy(deployment_->Read("config/release_policy.yaml") +
                          "  - {name: version, expression: 'results.software.version == \"1.2.0\"'}\n");
  EXPECT_THAT(owner.PlanClaims(plan), StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
}

class MechanismDByToolsTest : public MechanismDTest {
 protected:
  // Once for the suite: `twictl provision`, and its key id in the agents' configs.
  void Provision() {
    if (deployment_->Read("run/provisioned/key-id") != "") return;
    const Finished provision =
        deployment_->Twictl({"provision", "--anticipated", deployment_->File("config/anticipated_results.json"),
                             "--release-policy", deployment_->File("config/release_policy.yaml"), "--target", kTarget,
                             "--out", deployment_->File("run/provisioned")});
    ASSERT_EQ(provision.exit_code, 0) << provision.err;
    EXPECT_THAT(provision.out, HasSubstr(kIdentifier));
    const std::string key_id = deployment_->Read("run/provisioned/key-id").substr(0, 32);
    std::vector<std::string> agents = {"D-snp", "D-snp-unauthorized"};
    if (deployment_->has_tpm()) agents.push_back("D-tpm");
    for (const std::string& agent : agents) deployment_->Edit("config/agent-" + agent + ".yaml", "KEY_ID", key_id);
  }
};

INSTANTIATE_TEST_SUITE_P(, MechanismDByToolsTest, EveryWay(), WayOf);

TEST_P(MechanismDByToolsTest, ByTwictlAndTheAgent) {
  ASSERT_NO_FATAL_FAILURE(Provision());
  const Finished agent_run = deployment_->RunAgent(Agent("D"));
  ASSERT_EQ(agent_run.exit_code, 0) << agent_run.err << deployment_->Read("log/agent-" + Agent("D") + ".log");
  EXPECT_EQ(agent_run.out, std::string(kIdentifier) + "\n");
  std::string spki;
  const v1::WorkloadCredential credential = ReadInstalled(*deployment_, Agent("D"), &spki);
  ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
  Caller anyone = Caller::Workload(*deployment_);
  ExpectGoodCredential(anyone, credential, key, kNoVersion);
  const v1::GetIssuanceResponse record = ExpectIssuance(*deployment_, SerialOf(credential), "D", key);

  // Why it exists, by the tool: which key, and by which policy it is released
  const Finished json = deployment_->Twictl({"issuance", "--serial", SerialOf(credential), "--output", "json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const nlohmann::json shown = nlohmann::json::parse(json.out, nullptr, false);
  ASSERT_TRUE(shown.is_object()) << json.out;
  EXPECT_EQ(shown.value("key_id", "") + "\n", deployment_->Read("run/provisioned/key-id"));
  EXPECT_EQ(shown.value("release_policy_sha256", ""),
            ToHex(crypto::Sha256(deployment_->Read("run/provisioned/release-policy.yaml"))));
  EXPECT_EQ(shown.value("counter_signature", ""), record.counter_signature());
  const Finished text = deployment_->Twictl({"issuance", "--serial", SerialOf(credential)});
  EXPECT_THAT(text.out, HasSubstr("that meet release policy SHA-256 " + record.release_policy_sha256()));
}

TEST_P(MechanismDByToolsTest, TheAgentTellsWhyAnUnauthorizedImageGetsNoKey) {
  if (tee() != Tee::kSevSnp) GTEST_SKIP() << "the image is what the development SNP attester measures";
  ASSERT_NO_FATAL_FAILURE(Provision());
  const Finished refused = deployment_->RunAgent(Agent("D", "-unauthorized"));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("MEASUREMENT_UNKNOWN"));
  EXPECT_EQ(deployment_->Read("out/" + Agent("D", "-unauthorized") + "/key.pem"), "");
}

TEST_P(MechanismDByToolsTest, RefusesAReleasePolicyThatTheAnticipatedResultsDoNotMeet) {
  deployment_->Write("config/other_release_policy.yaml",
                     "conditions:\n  - {name: software, expression: 'results.software.name == \"ledger\"'}\n");
  const Finished refused =
      deployment_->Twictl({"provision", "--anticipated", deployment_->File("config/anticipated_results.json"),
                           "--release-policy", deployment_->File("config/other_release_policy.yaml"), "--target",
                           kTarget, "--out", deployment_->File("run/never")});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("RELEASE_POLICY_REFUSED"));
}

TEST_P(MechanismDByToolsTest, RefusesAPlatformCertificateThatIsNotAllowed) {
  ASSERT_NO_FATAL_FAILURE(Provision());
  ExpectStrangerRefused("D");
}

}  // namespace
}  // namespace twi::integration
