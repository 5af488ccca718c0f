// Evidence that is incomplete, cut short or touched, each with the one reason that it has: refused by the real
// Verifier. Every single bit of it: refusals_flips_test; Evidence that is for another request: refusals_binding_test.
#include <functional>

#include "common/testing/matchers.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

class EvidenceTest : public MechanismTest {
 protected:
  // Good Evidence over a fresh challenge, in a request that `change` may spoil.
  absl::Status Change(const std::function<void(v1::AppraiseRequest&)>& change) {
    Caller workload = Caller::Workload(*deployment_);
    const auto challenge = workload.VerifierChallenge();
    if (!challenge.ok()) return challenge.status();
    v1::AppraiseRequest request;
    *request.mutable_binding() = MakeBinding(challenge->nonce(), requester_.csr);
    *request.mutable_evidence() = Attest(*deployment_, GetParam(), request.binding());
    change(request);
    return workload.Appraise(request).status();
  }

  const Requester requester_;
};

INSTANTIATE_TEST_SUITE_P(, EvidenceTest, BothTees(), TeeOf);

TEST_P(EvidenceTest, ControlIsAccepted) {
  EXPECT_OK(Change([](v1::AppraiseRequest&) {}));
}

TEST_P(EvidenceTest, RefusesAnUnknownBindingProfile) {
  EXPECT_THAT(Change([](auto& r) { r.mutable_binding()->clear_profile(); }),
              StatusIs(v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED));
  EXPECT_THAT(Change([](auto& r) { r.mutable_binding()->set_profile(static_cast<v1::BindingProfile>(7)); }),
              StatusIs(v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED));
}

TEST_P(EvidenceTest, RefusesARelyingPartyThatNobodyConfigured) {
  EXPECT_THAT(Change([](auto& r) { r.mutable_binding()->set_rp_id("https://unknown.example.org"); }),
              StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED));
}

TEST_P(EvidenceTest, RefusesNoEvidence) {
  EXPECT_THAT(Change([](auto& r) { r.clear_evidence(); }), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  EXPECT_THAT(Change([](auto& r) { r.mutable_evidence()->Clear(); }),
              StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
}

TEST_P(EvidenceTest, RefusesEvidenceThatIsCutShort) {
  EXPECT_THAT(
      Change([](v1::AppraiseRequest& r) {
        v1::Evidence& e = *r.mutable_evidence();
        (e.has_sev_snp() ? e.mutable_sev_snp()->mutable_report() : e.mutable_tpm2()->mutable_quote())->pop_back();
      }),
      StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST_P(EvidenceTest, NamesTheReasonOfAFlippedSignature) {
  EXPECT_THAT(Change([](v1::AppraiseRequest& r) {
                v1::Evidence& e = *r.mutable_evidence();
                std::string& bytes =
                    e.has_sev_snp() ? *e.mutable_sev_snp()->mutable_report() : *e.mutable_tpm2()->mutable_signature();
                bytes[e.has_sev_snp() ? 0x2A0 : bytes.size() - 1] ^= 1;
              }),
              StatusIs(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
}

TEST_P(EvidenceTest, RefusesPcrValuesThatTheTpmDidNotSign) {
  if (GetParam() != Tee::kTpm2) GTEST_SKIP() << "PCRs are a TPM's";
  EXPECT_THAT(
      Change([](auto& r) { (*r.mutable_evidence()->mutable_tpm2()->mutable_pcr_values(4)->mutable_value())[0] ^= 1; }),
      StatusIs(v1::DENY_REASON_PCR_DIGEST_MISMATCH));
}

TEST_P(EvidenceTest, RefusesAReportWithoutItsCertificate) {
  if (GetParam() != Tee::kSevSnp) GTEST_SKIP() << "the AK is endorsed by the operator, without a certificate";
  EXPECT_THAT(Change([](auto& r) { r.mutable_evidence()->mutable_sev_snp()->clear_certificates(); }),
              StatusIs(v1::DENY_REASON_ENDORSEMENT_MISSING));
}

}  // namespace
}  // namespace twi::integration
