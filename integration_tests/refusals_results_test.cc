// Attestation Results that are not for this request, or that anybody has touched, brought before the real Credential
// Authority.
#include <functional>

#include "common/crypto/csr.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/stand_in_verifier.h"

namespace twi::integration {
namespace {

using ::testing::AnyOf;
using testing::StatusIs;

// By the real Verifier.
class ResultsTest : public DeploymentTest {
 protected:
  absl::StatusOr<Attested> Attest(Caller& workload, const std::string& rp_id = kAuthorityRpId,
                                  const std::string& target = kTarget) {
    return AttestAndAppraise(*deployment_, workload, Tee::kSevSnp, requester_.csr, rp_id, target);
  }
  const Requester requester_;
  Caller workload_ = Caller::Workload(*deployment_);
};

TEST_F(ResultsTest, RefusesAnotherAudience) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_, kKeyStoreRpId));
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(attested)),
              StatusIs(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE));
}

TEST_F(ResultsTest, RefusesASecondUse) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  EXPECT_OK(workload_.IssueFromResults(RequestFromResults(attested)));
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(attested)), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_F(ResultsTest, RefusesASecondUseAfterARestart) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  EXPECT_OK(workload_.IssueFromResults(RequestFromResults(attested)));
  deployment_->Kill(kCredentialAuthority);
  deployment_->Start(kCredentialAuthority);
  absl::Status again;
  ASSERT_TRUE(WaitUntil([&] {
    again = workload_.IssueFromResults(RequestFromResults(attested)).status();
    return DenyReasonOf(again) != v1::DENY_REASON_DEPENDENCY_UNAVAILABLE;
  }));
  EXPECT_THAT(again, StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
}

TEST_F(ResultsTest, RefusesThemOnAnotherChannel) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  Caller thief = Caller::Workload(*deployment_);
  EXPECT_THAT(thief.IssueFromResults(RequestFromResults(attested)), StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
  EXPECT_OK(workload_.IssueFromResults(RequestFromResults(attested))) << "a thief does not use them up";
}

TEST_F(ResultsTest, RefusesThemForAnotherRequest) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  const Requester other;
  v1::IssueFromResultsRequest request = RequestFromResults(attested);
  request.mutable_binding()->set_subject(other.csr);
  EXPECT_THAT(workload_.IssueFromResults(request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH)) << "another CSR";
  request = RequestFromResults(attested);
  request.mutable_binding()->set_nonce(std::string(56, 'n'));
  EXPECT_THAT(workload_.IssueFromResults(request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH)) << "another nonce";
  request = RequestFromResults(attested);
  request.mutable_binding()->set_target("https://other.example.org");
  EXPECT_THAT(workload_.IssueFromResults(request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH)) << "another target";
}

TEST_F(ResultsTest, RefusesATargetThatIsNotServed) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_, kAuthorityRpId, "https://other.example.org"));
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(attested)), StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
}

TEST_F(ResultsTest, RefusesEveryFlippedCharacter) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  for (std::size_t at = 0; at < attested.results.size(); ++at) {
    v1::IssueFromResultsRequest request = RequestFromResults(attested);
    std::string& jws = *request.mutable_attestation_results();
    jws[at] = jws[at] == 'A' ? 'B' : 'A';
    EXPECT_THAT(workload_.IssueFromResults(request),
                AnyOf(StatusIs(v1::DENY_REASON_RESULTS_MALFORMED), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN),
                      StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID)))
        << at;
  }
  EXPECT_OK(workload_.IssueFromResults(RequestFromResults(attested))) << "refused ones use nothing up";
}

TEST_F(ResultsTest, RefusesAKeyThatNoVerifierHas) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  ASSERT_OK_AND_ASSIGN(const AttestationResults results, ReadResults(workload_, attested.results, kAuthorityRpId));
  v1::IssueFromResultsRequest request = RequestFromResults(attested);
  const Requester forger;
  request.set_attestation_results(SignResults(results, forger.key, "forged").value());
  EXPECT_THAT(workload_.IssueFromResults(request), StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
}

TEST_F(ResultsTest, RefusesAForgedSignatureUnderTheVerifiersKid) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  ASSERT_OK_AND_ASSIGN(const AttestationResults results, ReadResults(workload_, attested.results, kAuthorityRpId));
  ASSERT_OK_AND_ASSIGN(const jose::VerifiedJws decoded, jose::InsecureDecodeJws(attested.results, 1 << 18));
  v1::IssueFromResultsRequest request = RequestFromResults(attested);
  const Requester forger;
  request.set_attestation_results(SignResults(results, forger.key, decoded.header.kid).value());
  EXPECT_THAT(workload_.IssueFromResults(request), StatusIs(v1::DENY_REASON_RESULTS_SIGNATURE_INVALID));
}

TEST_F(ResultsTest, RefusesNone) {
  EXPECT_THAT(workload_.IssueFromResults({}), StatusIs(v1::DENY_REASON_RESULTS_MALFORMED));
}

// A flipped bit in the CSR after attestation is another subject; before it (every bit: refusals_csr_test), it is a
// request without Proof-of-Possession.
TEST_F(ResultsTest, RefusesEveryFlippedByteOfTheCsr) {
  ASSERT_OK_AND_ASSIGN(const Attested attested, Attest(workload_));
  for (std::size_t at = 0; at < requester_.csr.size(); ++at) {
    v1::IssueFromResultsRequest request = RequestFromResults(attested);
    (*request.mutable_binding()->mutable_subject())[at] ^= static_cast<char>(1 << (at % 8));
    EXPECT_THAT(workload_.IssueFromResults(request), StatusIs(v1::DENY_REASON_BINDING_MISMATCH)) << at;
  }
}

TEST_F(ResultsTest, RefusesACsrWithoutProofOfPossession) {
  std::string csr = requester_.csr;
  csr.back() = static_cast<char>(csr.back() ^ 1);  // in the signature
  auto attested = AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, csr);
  ASSERT_OK(attested) << "the Verifier only names the key that was attested";
  EXPECT_THAT(workload_.IssueFromResults(RequestFromResults(*attested)),
              StatusIs(v1::DENY_REASON_CSR_SIGNATURE_INVALID));
  EXPECT_THAT(AttestAndAppraise(*deployment_, workload_, Tee::kSevSnp, csr.substr(0, csr.size() - 3)),
              StatusIs(v1::DENY_REASON_CSR_MALFORMED));
}

// By a Verifier whose key the test holds.
class StandInTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>();
    verifier_ = std::make_unique<StandInVerifier>(*deployment_);
    deployment_->Start(kClaimsMapper);
    deployment_->Start(kCredentialAuthority);
  }
  static void TearDownTestSuite() {
    deployment_.reset();
    verifier_.reset();
  }

  // Good results, with one thing changed.
  absl::Status Issue(const std::function<void(AttestationResults&)>& change) {
    const v1::Binding binding = MakeBinding("0123456789abcdef", requester_.csr);
    AttestationResults results =
        verifier_->Results(binding, requester_.key.public_key().spki(), workload_.key_sha256());
    change(results);
    v1::IssueFromResultsRequest request;
    request.set_attestation_results(verifier_->Sign(results));
    *request.mutable_binding() = binding;
    return workload_.IssueFromResults(request).status();
  }

  inline static std::unique_ptr<Deployment> deployment_;
  inline static std::unique_ptr<StandInVerifier> verifier_;
  const Requester requester_;
  Caller workload_ = Caller::Workload(*deployment_);
};

TEST_F(StandInTest, ControlIsAccepted) {
  EXPECT_OK(Issue([](AttestationResults&) {}));
}

TEST_F(StandInTest, RefusesACsrWhoseKeyTheResultsDoNotName) {
  const Requester other;
  EXPECT_THAT(Issue([&](AttestationResults& r) { r.key_spki = other.key.public_key().spki(); }),
              StatusIs(v1::DENY_REASON_RESULTS_KEY_MISMATCH));
}

TEST_F(StandInTest, RefusesWhatIsExpiredOrOldOrOfTheFuture) {
  EXPECT_THAT(Issue([](AttestationResults& r) {
                r.issued_at -= absl::Minutes(5);
                r.expires_at = r.issued_at + absl::Minutes(4);
              }),
              StatusIs(v1::DENY_REASON_RESULTS_EXPIRED));
  EXPECT_THAT(Issue([](AttestationResults& r) { r.issued_at -= absl::Minutes(11); }),
              StatusIs(v1::DENY_REASON_RESULTS_EXPIRED))
      << "older than ten minutes, whatever exp says";
  EXPECT_THAT(Issue([](AttestationResults& r) {
                r.issued_at += absl::Minutes(1);
                r.expires_at += absl::Minutes(1);
              }),
              StatusIs(v1::DENY_REASON_RESULTS_NOT_YET_VALID));
}

TEST_F(StandInTest, RefusesWhatIsNotAffirming) {
  for (const EarStatus status : {EarStatus::kNone, EarStatus::kWarning, EarStatus::kContraindicated}) {
    EXPECT_THAT(Issue([&](AttestationResults& r) {
                  r.status = status;
                  if (status == EarStatus::kWarning) r.trustworthiness["executables"] = 33;
                  if (status == EarStatus::kContraindicated) r.trustworthiness["executables"] = 99;
                }),
                StatusIs(v1::DENY_REASON_RESULTS_NOT_AFFIRMING));
  }
}

TEST_F(StandInTest, RefusesAnotherIssuer) {
  EXPECT_THAT(Issue([](AttestationResults& r) { r.issuer = "spiffe://example.org/twi/other"; }),
              StatusIs(v1::DENY_REASON_RESULTS_KEY_UNKNOWN));
}

TEST_F(StandInTest, RefusesABindingThatTheEvidenceDidNotReport) {
  EXPECT_THAT(Issue([](AttestationResults& r) { r.reported_binding[0] ^= 1; }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

// Evidence for another rp_id, dressed by a dishonest Verifier as results for this one: the Credential Authority
// recomputes the binding with its own rp_id.
TEST_F(StandInTest, RefusesEvidenceForAnotherRelyingPartyWhateverTheVerifierSays) {
  const std::string elsewhere = verifier_
                                    ->Results(MakeBinding("0123456789abcdef", requester_.csr, kKeyStoreRpId),
                                              requester_.key.public_key().spki(), workload_.key_sha256())
                                    .reported_binding;
  EXPECT_THAT(Issue([&](AttestationResults& r) { r.reported_binding = elsewhere; }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

TEST_F(StandInTest, RefusesSoftwareThatNobodyGaveAnIdentity) {
  EXPECT_THAT(Issue([](AttestationResults& r) { r.software["name"] = "ledger"; }),
              StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
}

TEST_F(StandInTest, RefusesResultsOfAnotherChannel) {
  EXPECT_THAT(Issue([](AttestationResults& r) { r.channel_key_sha256 = std::string(32, 'c'); }),
              StatusIs(v1::DENY_REASON_RESULTS_WRONG_CHANNEL));
}

}  // namespace
}  // namespace twi::integration
