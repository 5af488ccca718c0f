// Mechanism B (passport), step by step against the real daemons, and once by the real agent.
#include <signal.h>

#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "integration_tests/expect_credential.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class MechanismBTest : public ChannelTest {};

INSTANTIATE_TEST_SUITE_P(, MechanismBTest, EveryWay(), WayOf);

TEST_P(MechanismBTest, StepByStep) {
  Caller workload = Workload();

  // B1: the Credential Key
  ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));

  // B2: CSR, Evidence
  ASSERT_OK_AND_ASSIGN(const std::string csr, crypto::MakeCsr(key));
  ASSERT_OK_AND_ASSIGN(const v1::NewChallengeResponse challenge, workload.VerifierChallenge());
  v1::AppraiseRequest appraise;
  *appraise.mutable_binding() = MakeBinding(challenge.nonce(), csr);
  *appraise.mutable_evidence() = Attest(*deployment_, tee(), appraise.binding());

  // B3: to the Verifier
  const std::size_t appraised_before = deployment_->LogLines(kVerifier, "appraised").size();
  ASSERT_OK_AND_ASSIGN(const v1::AppraiseResponse appraised, workload.Appraise(appraise));

  // B4: it appraised
  const auto lines = deployment_->LogLines(kVerifier, "appraised");
  ASSERT_EQ(lines.size(), appraised_before + 1);

  // B5: Attestation Results with the attested key, the nonce, the binding as the Evidence reports it, and the channel
  ASSERT_OK_AND_ASSIGN(const AttestationResults results,
                       ReadResults(workload, appraised.attestation_results(), kAuthorityRpId));
  EXPECT_EQ(lines.back()["results_id"], results.jti);
  EXPECT_EQ(results.key_spki, key.public_key().spki());
  EXPECT_EQ(results.nonce, challenge.nonce());
  EXPECT_EQ(results.status, EarStatus::kAffirming);
  EXPECT_EQ(results.software["name"], "payroll-worker");
  EXPECT_EQ(results.software["version"], software_version());
  EXPECT_EQ(results.trustworthiness.at("hardware"), tee() == Tee::kSevSnp ? -2 : 2)
      << "a development chain is never plain genuine";
  EXPECT_EQ(results.reported_binding.size(), tee() == Tee::kSevSnp ? 64u : 32u);
  EXPECT_EQ(results.channel_key_sha256, workload.key_sha256());

  // B6: returned to the workload, without a credential
  EXPECT_FALSE(results.workload_credential_json.has_value());

  // B7: the Credential Request
  v1::IssueFromResultsRequest request;
  request.set_attestation_results(appraised.attestation_results());
  *request.mutable_binding() = appraise.binding();

  // B8: to the Credential Authority
  const std::size_t mapped_before = deployment_->LogLines(kClaimsMapper, "mapped").size();
  ASSERT_OK_AND_ASSIGN(const v1::IssueResponse issued, workload.IssueFromResults(request));

  // B9: validated, and mapped by the Claims Mapper
  const auto mapped = deployment_->LogLines(kClaimsMapper, "mapped");
  ASSERT_EQ(mapped.size(), mapped_before + 1);
  EXPECT_EQ(mapped.back()["peer"], "spiffe://example.org/twi/credential-authority");

  // B10: signed, recorded
  const v1::GetIssuanceResponse record =
      ExpectIssuance(*deployment_, issued.credential().serial(), "B", key.public_key());
  EXPECT_EQ(record.attestation_results_jti(), results.jti);
  EXPECT_EQ(record.attestation_results_sha256(), ToHex(crypto::Sha256(appraised.attestation_results())));
  EXPECT_EQ(record.evidence_sha256(), ToHex(crypto::Sha256(appraise.evidence().SerializeAsString())));
  EXPECT_EQ(record.requester(),
            channel() == Channel::kAttestedKey ? "attested_key:" + ToHex(workload.key_sha256()) : kNodeId);
  EXPECT_THAT(record.appraisal_policy_ids(), HasSubstr("development@sha256:"));

  // B11: returned
  ExpectGoodCredential(workload, issued.credential(), key.public_key(), software_version());
  EXPECT_THAT(workload.IssueFromResults(request), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_P(MechanismBTest, ByTheAgent) {
  const Finished agent_run = deployment_->RunAgent(Agent("B"));
  ASSERT_EQ(agent_run.exit_code, 0) << agent_run.err << deployment_->Read("log/agent-" + Agent("B") + ".log");
  EXPECT_EQ(agent_run.out, std::string(kIdentifier) + "\n");
  std::string spki;
  const v1::WorkloadCredential credential = ReadInstalled(*deployment_, Agent("B"), &spki);
  ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
  Caller anyone = Caller::Workload(*deployment_);
  ExpectGoodCredential(anyone, credential, key, software_version());
  ExpectIssuance(*deployment_, SerialOf(credential), "B", key);
}

// One acquisition, asked for in words afterwards.
TEST_P(MechanismBTest, TwictlTellsWhy) {
  Caller workload = Workload();
  const Requester requester;
  ASSERT_OK_AND_ASSIGN(const v1::WorkloadCredential credential, AcquireByB(*deployment_, workload, requester, tee()));
  const Finished told = deployment_->Twictl({"issuance", "--serial", credential.serial()});
  EXPECT_EQ(told.exit_code, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr(kIdentifier));
  EXPECT_THAT(told.out, HasSubstr("payroll-worker@1"));
  const Finished unknown = deployment_->Twictl({"issuance", "--serial", "00ff"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("ISSUANCE_UNKNOWN"));
}

TEST_P(MechanismBTest, TheAgentTellsWhyADebuggableGuestIsRefused) {
  if (tee() != Tee::kSevSnp) GTEST_SKIP() << "debug is a bit of the SNP guest policy";
  const Finished refused = deployment_->RunAgent(Agent("B", "-debug"));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("DEBUG_ENABLED"));
  EXPECT_EQ(deployment_->Read("out/" + Agent("B", "-debug") + "/key.pem"), "");
}

TEST_P(MechanismBTest, TheAgentRefusesACredentialAuthorityThatIsAnother) {
  // The config says who must answer; the address of the Key Store has another certificate.
  const std::string agent = Agent("B"), config = "config/agent-" + agent + ".yaml";
  const std::string before = deployment_->Read(config);
  deployment_->Edit(config, deployment_->address(kCredentialAuthority), deployment_->address(kKeyStore));
  const Finished refused = deployment_->RunAgent(agent);
  deployment_->Write(config, before);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("SERVER_IDENTITY_MISMATCH"));
}

TEST_P(MechanismBTest, RefusesAPlatformCertificateThatIsNotAllowed) { ExpectStrangerRefused("B"); }

// A TPM that takes commands and answers none, through the whole life of an agent.
class StoppedTpmTest : public MechanismDeploymentTest {
 protected:
  void SetUp() override { SkipWithoutTpm(Tee::kTpm2); }
  static std::size_t Count(const std::string& event) { return deployment_->LogLines("agent-B-tpm", event).size(); }
  // Challenges that the Verifier gave.
  static std::size_t Challenges() {
    std::size_t count = 0;
    for (const nlohmann::json& line : deployment_->LogLines(kVerifier, "served"))
      count += line["rpc"] == "NewChallenge";
    return count;
  }
};

TEST_F(StoppedTpmTest, OneAttemptIsRefusedInTime) {
  deployment_->tpm().Stop();
  const absl::Time start = absl::Now();
  const Finished refused = deployment_->RunAgent("B-tpm");
  deployment_->tpm().Continue();
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("ATTESTER_FAILED"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
  EXPECT_EQ(deployment_->RunAgent("B-tpm").exit_code, 0) << "it answers again";
}

TEST_F(StoppedTpmTest, SigtermEndsAnAgentThatWaitsForIt) {
  const std::size_t acquired = Count("credential_acquired");
  Process agent = deployment_->StartAgent("B-tpm");
  ASSERT_TRUE(WaitUntil([&] { return Count("credential_acquired") > acquired; }));
  deployment_->tpm().Stop();
  const std::size_t challenges = Challenges();
  agent.Signal(SIGHUP);  // attests anew
  EXPECT_TRUE(WaitUntil([&] { return Challenges() > challenges; }));
  agent.Signal(SIGTERM);
  int exit_code = 0;
  EXPECT_TRUE(agent.Ended(absl::Seconds(20), &exit_code));
  EXPECT_EQ(exit_code, 1) << "what it did was cut off";
  EXPECT_EQ(Count("not_drained"), 1u);
  EXPECT_TRUE(deployment_->tpm().Restart());
  EXPECT_EQ(deployment_->RunAgent("B-tpm").exit_code, 0) << "with another TPM of the same state";
}

TEST_F(StoppedTpmTest, ARenewalIsRefusedInTimeAndMadeUpFor) {
  deployment_->Append("config/agent-B-tpm.yaml", "renewal: {retry_min: 100ms, retry_max: 200ms}\n");
  const std::size_t acquired = Count("credential_acquired"), refused = Count("credential_not_acquired");
  const Process agent = deployment_->StartAgent("B-tpm");
  ASSERT_TRUE(WaitUntil([&] { return Count("credential_acquired") > acquired; }));
  deployment_->tpm().Stop();
  agent.Signal(SIGHUP);
  EXPECT_TRUE(WaitUntil([&] { return Count("credential_not_acquired") > refused; }, absl::Seconds(40)));
  deployment_->tpm().Continue();
  EXPECT_EQ(deployment_->LogLines("agent-B-tpm", "credential_not_acquired").back()["reason"], "ATTESTER_FAILED");
  EXPECT_TRUE(WaitUntil([&] { return Count("credential_acquired") > acquired + 1; }));
}

}  // namespace
}  // namespace twi::integration
