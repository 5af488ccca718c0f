// Mechanism A, step by step against the real daemons, and once by the real agent. The Verifier is the front door.
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "integration_tests/expect_credential.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

class MechanismATest : public ChannelTest {};

INSTANTIATE_TEST_SUITE_P(, MechanismATest, EveryWay(), WayOf);

TEST_P(MechanismATest, StepByStep) {
  Caller workload = Workload();

  // A1: the Credential Key
  ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));

  // A2: the Credential Request, signed by it
  ASSERT_OK_AND_ASSIGN(const std::string csr, crypto::MakeCsr(key));

  // A3: Evidence over nonce, target, rp_id and CSR
  ASSERT_OK_AND_ASSIGN(const v1::NewChallengeResponse challenge, workload.VerifierChallenge());
  EXPECT_EQ(challenge.lifetime_seconds(), 120u);
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = MakeBinding(challenge.nonce(), csr);
  *request.mutable_evidence() = Attest(*deployment_, tee(), request.binding());

  // A4: to the Verifier
  const std::size_t appraised_before = deployment_->LogLines(kVerifier, "appraised").size();
  const std::size_t mapped_before = deployment_->LogLines(kClaimsMapper, "mapped").size();
  const std::size_t issued_before = deployment_->LogLines(kCredentialAuthority, "issued").size();
  ASSERT_OK_AND_ASSIGN(const v1::RequestCredentialResponse response, workload.RequestCredential(request));

  // A5: it appraised
  const auto appraised = deployment_->LogLines(kVerifier, "appraised");
  ASSERT_EQ(appraised.size(), appraised_before + 1);
  EXPECT_EQ(appraised.back()["rp_id"], kAuthorityRpId);

  // A6: the Claims Mapper mapped
  const auto mapped = deployment_->LogLines(kClaimsMapper, "mapped");
  ASSERT_EQ(mapped.size(), mapped_before + 1);
  EXPECT_EQ(mapped.back()["peer"], kVerifierId);
  EXPECT_EQ(mapped.back()["workload_identifier"], kIdentifier);

  // A7, A8: the Credential Authority was asked by the Verifier, and signed
  const auto issued = deployment_->LogLines(kCredentialAuthority, "issued");
  ASSERT_EQ(issued.size(), issued_before + 1);
  EXPECT_EQ(issued.back()["peer"], kVerifierId);
  EXPECT_EQ(issued.back()["mechanism"], "A");

  // A9: Attestation Results that contain the credential, of an id of their own
  ASSERT_OK_AND_ASSIGN(const AttestationResults results,
                       ReadResults(workload, response.attestation_results(), kAuthorityRpId));
  EXPECT_EQ(results.key_spki, key.public_key().spki());
  EXPECT_OK(MatchResultsToRequest(results, request.binding(), workload.key_sha256()));
  ASSERT_OK_AND_ASSIGN(const v1::WorkloadCredential credential, CredentialIn(results));

  // A10: it matches the key
  ExpectGoodCredential(workload, credential, key.public_key(), software_version());

  const v1::GetIssuanceResponse record = ExpectIssuance(*deployment_, credential.serial(), "A", key.public_key());
  EXPECT_EQ(record.requester(), kVerifierId);
  EXPECT_EQ(record.evidence_sha256(), ToHex(crypto::Sha256(request.evidence().SerializeAsString())));
  EXPECT_FALSE(record.attestation_results_jti().empty());
  EXPECT_NE(record.attestation_results_jti(), results.jti) << "what was used up is not what is handed out";
}

TEST_P(MechanismATest, ByTheAgent) {
  const Finished agent_run = deployment_->RunAgent(Agent("A"));
  ASSERT_EQ(agent_run.exit_code, 0) << agent_run.err << deployment_->Read("log/agent-" + Agent("A") + ".log");
  EXPECT_EQ(agent_run.out, std::string(kIdentifier) + "\n");
  std::string spki;
  const v1::WorkloadCredential credential = ReadInstalled(*deployment_, Agent("A"), &spki);
  ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
  Caller anyone = Caller::Workload(*deployment_);
  ExpectGoodCredential(anyone, credential, key, software_version());
  ExpectIssuance(*deployment_, SerialOf(credential), "A", key);
}

// The results that come back (A9) are no second ticket: for nobody, on no channel.
TEST_P(MechanismATest, TheResultsOfTheAnswerBuyNoSecondCredential) {
  Caller workload = Workload(), thief = Caller::Workload(*deployment_);
  const Requester requester;
  ASSERT_OK_AND_ASSIGN(const v1::NewChallengeResponse challenge, workload.VerifierChallenge());
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = MakeBinding(challenge.nonce(), requester.csr);
  *request.mutable_evidence() = Attest(*deployment_, tee(), request.binding());
  ASSERT_OK_AND_ASSIGN(const v1::RequestCredentialResponse response, workload.RequestCredential(request));
  v1::IssueFromResultsRequest issue;
  issue.set_attestation_results(response.attestation_results());
  *issue.mutable_binding() = request.binding();
  EXPECT_THAT(workload.IssueFromResults(issue), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  EXPECT_THAT(thief.IssueFromResults(issue), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_P(MechanismATest, RefusesARequestForTheKeyStore) {
  Caller workload = Workload();
  const Requester requester;
  ASSERT_OK_AND_ASSIGN(const v1::NewChallengeResponse challenge, workload.VerifierChallenge());
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = MakeBinding(challenge.nonce(), requester.csr, kKeyStoreRpId);
  *request.mutable_evidence() = Attest(*deployment_, tee(), request.binding());
  EXPECT_THAT(workload.RequestCredential(request), StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED))
      << "the Claims Mapper makes no grants for a Key Store";
}

TEST_P(MechanismATest, TheAgentTellsWhyAnUnauthorizedImageIsRefused) {
  if (tee() != Tee::kSevSnp) GTEST_SKIP() << "the image is what the development SNP attester measures";
  const Finished refused = deployment_->RunAgent(Agent("A", "-unauthorized"));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("MEASUREMENT_UNKNOWN"));
  EXPECT_THAT(refused.err, Not(HasSubstr("sev-snp:"))) << "the detail is the operator's";
  EXPECT_EQ(deployment_->Read("out/" + Agent("A", "-unauthorized") + "/key.pem"), "") << "nothing was installed";
}

TEST_P(MechanismATest, RefusesAPlatformCertificateThatIsNotAllowed) { ExpectStrangerRefused("A"); }

}  // namespace
}  // namespace twi::integration
