// Evidence that is for another request, and Evidence that anybody has touched: refused by the real Verifier.
#include <functional>
#include <random>

#include "common/testing/matchers.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

class EvidenceTest : public MechanismTest {
 protected:
  // Attests to `attested(binding)` and sends the request with the binding as it was.
  absl::Status Appraise(Caller& caller, const std::function<void(v1::Binding&)>& attest_to,
                        const std::function<void(v1::AppraiseRequest&)>& change) {
    const auto challenge = caller.VerifierChallenge();
    if (!challenge.ok()) return challenge.status();
    v1::AppraiseRequest request;
    *request.mutable_binding() = MakeBinding(challenge->nonce(), requester_.csr);
    v1::Binding attested = request.binding();
    attest_to(attested);
    *request.mutable_evidence() = Attest(*deployment_, GetParam(), attested);
    change(request);
    return caller.Appraise(request).status();
  }
  absl::Status AttestTo(const std::function<void(v1::Binding&)>& attest_to) {
    Caller workload = Caller::Workload(*deployment_);
    return Appraise(workload, attest_to, [](v1::AppraiseRequest&) {});
  }
  absl::Status Change(const std::function<void(v1::AppraiseRequest&)>& change) {
    Caller workload = Caller::Workload(*deployment_);
    return Appraise(
        workload, [](v1::Binding&) {}, change);
  }

  const Requester requester_;
};

INSTANTIATE_TEST_SUITE_P(, EvidenceTest, BothTees(), TeeOf);

TEST_P(EvidenceTest, ControlIsAccepted) {
  EXPECT_OK(AttestTo([](v1::Binding&) {}));
}

TEST_P(EvidenceTest, RefusesEvidenceForAnotherRelyingParty) {
  EXPECT_THAT(AttestTo([](v1::Binding& b) { b.set_rp_id(kKeyStoreRpId); }), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

TEST_P(EvidenceTest, RefusesEvidenceForAnotherTarget) {
  EXPECT_THAT(AttestTo([](v1::Binding& b) { b.set_target("https://other.example.org"); }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

TEST_P(EvidenceTest, RefusesEvidenceForAnotherCsr) {
  const Requester other;
  EXPECT_THAT(AttestTo([&](v1::Binding& b) { b.set_subject(other.csr); }), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

TEST_P(EvidenceTest, RefusesEvidenceForAnotherNonce) {
  EXPECT_THAT(AttestTo([](v1::Binding& b) { b.set_nonce(std::string(56, 'n')); }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
}

// The lengths are part of what is hashed: what moves from one part to the next is another binding.
TEST_P(EvidenceTest, RefusesPartsThatOnlyTogetherAreTheSame) {
  EXPECT_THAT(AttestTo([](v1::Binding& b) {
                b.set_target(b.target() + "h");
                b.set_rp_id(b.rp_id().substr(1));
              }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
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

// The parts of the Evidence that are bytes, as places in the message.
std::vector<std::string*> Parts(v1::Evidence& evidence) {
  if (evidence.has_sev_snp()) {
    v1::SnpEvidence& snp = *evidence.mutable_sev_snp();
    return {snp.mutable_report(), snp.mutable_certificates(0), snp.mutable_certificates(1)};
  }
  v1::TpmEvidence& tpm = *evidence.mutable_tpm2();
  std::vector<std::string*> parts = {tpm.mutable_quote(), tpm.mutable_signature(), tpm.mutable_ak_public()};
  for (v1::PcrValue& pcr : *tpm.mutable_pcr_values()) parts.push_back(pcr.mutable_value());
  return parts;
}

// Of every byte of the Evidence and of the certificates that come with it one bit (which one: by a fixed seed). The ARK
// does not come along: it is pinned. The AK is enrolled as a TPMT_PUBLIC, so each bit of its public area counts.
TEST_P(EvidenceTest, RefusesEveryFlippedByte) {
  Caller workload = Caller::Workload(*deployment_);
  std::mt19937 random(20261121);
  v1::Evidence sample = Attest(*deployment_, GetParam(), MakeBinding("12345678", requester_.csr));
  const std::vector<std::string*> sizes = Parts(sample);
  for (std::size_t part = 0; part < sizes.size(); ++part) {
    const bool ak = sample.has_tpm2() && sizes[part] == sample.mutable_tpm2()->mutable_ak_public();
    for (std::size_t at = 0; at < sizes[part]->size(); ++at) {
      const int bit = static_cast<int>(random() % 8);
      const absl::Status refused = Appraise(
          workload, [](v1::Binding&) {},
          [&](v1::AppraiseRequest& request) {
            std::string& bytes = *Parts(*request.mutable_evidence())[part];
            if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
          });
      const int reason = DenyReasonOf(refused);
      if (ak && reason == v1::DENY_REASON_KEY_MALFORMED) continue;  // no point of its curve any more
      // 40..99: the binding, the Evidence, its endorsements, and what it says of itself.
      EXPECT_TRUE(reason >= v1::DENY_REASON_BINDING_MISMATCH && reason <= v1::DENY_REASON_APPRAISAL_POLICY_REFUSED)
          << "part " << part << " byte " << at << " bit " << bit << ": " << refused;
    }
  }
  EXPECT_OK(AttestTo([](v1::Binding&) {})) << "the Verifier goes on";
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
