// Mechanism C (background check), step by step against the real daemons, and once by the real agent.
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

class MechanismCTest : public ChannelTest {};

INSTANTIATE_TEST_SUITE_P(, MechanismCTest, EveryWay(), WayOf);

TEST_P(MechanismCTest, StepByStep) {
  Caller workload = Workload();

  // C1: the Credential Key
  ASSERT_OK_AND_ASSIGN(const crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));

  // C2: Evidence over the Credential Authority's own nonce
  ASSERT_OK_AND_ASSIGN(const std::string csr, crypto::MakeCsr(key));
  ASSERT_OK_AND_ASSIGN(const v1::NewChallengeResponse challenge, workload.AuthorityChallenge());
  v1::IssueFromEvidenceRequest request;
  *request.mutable_binding() = MakeBinding(challenge.nonce(), csr);
  const v1::Evidence evidence = Attest(*deployment_, tee(), request.binding());

  // C3: the Credential Request, its Evidence encrypted to the Verifier
  ASSERT_OK_AND_ASSIGN(const v1::GetVerifierKeysResponse verifier_keys, workload.GetVerifierKeys());
  *request.mutable_encrypted_evidence() = EncryptToVerifier(evidence, request.binding(), verifier_keys);
  const std::string clear = evidence.has_sev_snp() ? evidence.sev_snp().report() : evidence.tpm2().quote();
  EXPECT_THAT(request.SerializeAsString(), Not(HasSubstr(clear)))
      << "the Credential Authority is a conduit that cannot read it";

  // C4: to the Credential Authority
  const std::size_t appraised_before = deployment_->LogLines(kVerifier, "appraised").size();
  const std::size_t served_before = deployment_->LogLines(kVerifier, "served").size();
  const std::size_t mapped_before = deployment_->LogLines(kClaimsMapper, "mapped").size();
  ASSERT_OK_AND_ASSIGN(const v1::IssueResponse issued, workload.IssueFromEvidence(request));

  // C5: which asked the Verifier
  const auto served = deployment_->LogLines(kVerifier, "served");
  ASSERT_GT(served.size(), served_before);
  bool asked = false;
  for (std::size_t i = served_before; i < served.size(); ++i) {
    asked = asked || (served[i]["rpc"] == "AppraiseForRelyingParty" &&
                      served[i]["peer"] == "spiffe://example.org/twi/credential-authority");
  }
  EXPECT_TRUE(asked);

  // C6, C7, C8: appraised, and the results went back; the workload never sees them
  const auto appraised = deployment_->LogLines(kVerifier, "appraised");
  ASSERT_EQ(appraised.size(), appraised_before + 1);

  // C9: mapped
  ASSERT_EQ(deployment_->LogLines(kClaimsMapper, "mapped").size(), mapped_before + 1);

  // C10: signed, recorded
  const v1::GetIssuanceResponse record =
      ExpectIssuance(*deployment_, issued.credential().serial(), "C", key.public_key());
  EXPECT_EQ(record.attestation_results_jti(), appraised.back()["results_id"]);
  EXPECT_EQ(record.evidence_sha256(), ToHex(crypto::Sha256(evidence.SerializeAsString())))
      << "the digest is of the Evidence, not of its encryption";
  EXPECT_EQ(record.requester(),
            channel() == Channel::kAttestedKey ? "attested_key:" + ToHex(workload.key_sha256()) : kNodeId);

  // C11: returned
  ExpectGoodCredential(workload, issued.credential(), key.public_key(), software_version());
  EXPECT_THAT(workload.IssueFromEvidence(request), StatusIs(v1::DENY_REASON_CHALLENGE_REPLAYED));
}

TEST_P(MechanismCTest, ByTheAgent) {
  const Finished agent_run = deployment_->RunAgent(Agent("C"));
  ASSERT_EQ(agent_run.exit_code, 0) << agent_run.err << deployment_->Read("log/agent-" + Agent("C") + ".log");
  EXPECT_EQ(agent_run.out, std::string(kIdentifier) + "\n");
  std::string spki;
  const v1::WorkloadCredential credential = ReadInstalled(*deployment_, Agent("C"), &spki);
  ASSERT_OK_AND_ASSIGN(const crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
  Caller anyone = Caller::Workload(*deployment_);
  ExpectGoodCredential(anyone, credential, key, software_version());
  ExpectIssuance(*deployment_, SerialOf(credential), "C", key);
}

// One request whose encrypted Evidence a test changes after it was made.
class EncryptedEvidenceTest : public MechanismCTest {
 protected:
  absl::Status Request(Caller& workload, const std::function<void(v1::IssueFromEvidenceRequest&)>& change) {
    const Requester requester;
    const auto keys = workload.GetVerifierKeys();
    const auto challenge = workload.AuthorityChallenge();
    if (!keys.ok() || !challenge.ok()) return absl::UnknownError("the services do not answer");
    v1::IssueFromEvidenceRequest request;
    *request.mutable_binding() = MakeBinding(challenge->nonce(), requester.csr);
    *request.mutable_encrypted_evidence() =
        EncryptToVerifier(Attest(*deployment_, tee(), request.binding()), request.binding(), *keys);
    change(request);
    return workload.IssueFromEvidence(request).status();
  }
};

INSTANTIATE_TEST_SUITE_P(, EncryptedEvidenceTest, EveryWay(), WayOf);

TEST_P(EncryptedEvidenceTest, RefusesWhatDoesNotOpen) {
  Caller workload = Workload();
  EXPECT_OK(Request(workload, [](v1::IssueFromEvidenceRequest&) {}));
  const auto refused = StatusIs(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED);
  EXPECT_THAT(Request(workload, [](auto& r) { (*r.mutable_encrypted_evidence()->mutable_ciphertext())[7] ^= 1; }),
              refused);
  EXPECT_THAT(Request(workload, [](auto& r) { (*r.mutable_encrypted_evidence()->mutable_enc())[7] ^= 1; }), refused);
  EXPECT_THAT(Request(workload, [](auto& r) { r.mutable_encrypted_evidence()->mutable_enc()->pop_back(); }), refused);
  EXPECT_THAT(Request(workload, [](auto& r) { r.mutable_encrypted_evidence()->set_kid("another"); }), refused);
  EXPECT_THAT(Request(workload, [](auto& r) { r.clear_encrypted_evidence(); }), refused);
}

TEST_P(EncryptedEvidenceTest, IsBoundToItsRequest) {
  Caller workload = Workload();
  const Requester other;
  const auto refused = StatusIs(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED);
  EXPECT_THAT(Request(workload, [&](auto& r) { r.mutable_binding()->set_subject(other.csr); }), refused)
      << "another CSR";
  EXPECT_THAT(Request(workload, [](auto& r) { r.mutable_binding()->set_target("https://other.example.org"); }), refused)
      << "another target";
}

TEST_P(EncryptedEvidenceTest, ARelyingPartyIdOfTheRequestIsNotBelieved) {
  Caller workload = Workload();
  // The Credential Authority puts its own rp_id in its place, and to that the Evidence is bound.
  EXPECT_OK(Request(workload, [](auto& r) { r.mutable_binding()->set_rp_id(kKeyStoreRpId); }));
}

TEST_P(MechanismCTest, RefusesAPlatformCertificateThatIsNotAllowed) { ExpectStrangerRefused("C"); }

}  // namespace
}  // namespace twi::integration
