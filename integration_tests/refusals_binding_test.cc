// Genuine Evidence that was made for another request, at each door that takes Evidence: in the clear (A, B), and
// encrypted for the request that it comes with (C), so that nothing but the binding can tell.
#include <functional>
#include <tuple>

#include "common/testing/matchers.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

// An RPC that takes Evidence, and whose challenge it redeems.
struct Door {
  const char* name;
  absl::StatusOr<v1::NewChallengeResponse> (Caller::*challenge)();
  absl::Status (*send)(Caller&, const v1::Binding&, const v1::Evidence&);
};

absl::Status SendAppraise(Caller& caller, const v1::Binding& binding, const v1::Evidence& evidence) {
  v1::AppraiseRequest request;
  *request.mutable_binding() = binding;
  *request.mutable_evidence() = evidence;
  return caller.Appraise(request).status();
}

absl::Status SendRequestCredential(Caller& caller, const v1::Binding& binding, const v1::Evidence& evidence) {
  v1::RequestCredentialRequest request;
  *request.mutable_binding() = binding;
  *request.mutable_evidence() = evidence;
  return caller.RequestCredential(request).status();
}

// HPKE's additional data are the binding of this request, whatever the Evidence inside was made for.
absl::Status SendIssueFromEvidence(Caller& caller, const v1::Binding& binding, const v1::Evidence& evidence) {
  const auto keys = caller.GetVerifierKeys();
  if (!keys.ok()) return keys.status();
  v1::IssueFromEvidenceRequest request;
  *request.mutable_binding() = binding;
  *request.mutable_encrypted_evidence() = EncryptToVerifier(evidence, binding, *keys);
  return caller.IssueFromEvidence(request).status();
}

constexpr Door kDoors[] = {{"Appraise", &Caller::VerifierChallenge, SendAppraise},
                           {"RequestCredential", &Caller::VerifierChallenge, SendRequestCredential},
                           {"IssueFromEvidence", &Caller::AuthorityChallenge, SendIssueFromEvidence}};

class BindingTest : public MechanismDeploymentTest, public ::testing::WithParamInterface<std::tuple<Door, Tee>> {
 protected:
  void SetUp() override { SkipWithoutTpm(tee()); }
  const Door& door() const { return std::get<Door>(GetParam()); }
  Tee tee() const { return std::get<Tee>(GetParam()); }

  // Sends Evidence over `attest_to(binding)` with the binding as it was.
  absl::Status AttestTo(const std::function<void(v1::Binding&)>& attest_to) {
    Caller workload = Caller::Workload(*deployment_);
    const auto challenge = (workload.*door().challenge)();
    if (!challenge.ok()) return challenge.status();
    const v1::Binding binding = MakeBinding(challenge->nonce(), requester_.csr);
    v1::Binding attested = binding;
    attest_to(attested);
    return door().send(workload, binding, Attest(*deployment_, tee(), attested));
  }
  // Refused for that reason, and nobody appraised or issued anything.
  void ExpectMismatch(const std::function<void(v1::Binding&)>& attest_to) {
    const std::size_t appraised = deployment_->LogLines(kVerifier, "appraised").size(),
                      issued = deployment_->LogLines(kCredentialAuthority, "issued").size();
    EXPECT_THAT(AttestTo(attest_to), StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
    EXPECT_EQ(deployment_->LogLines(kVerifier, "appraised").size(), appraised);
    EXPECT_EQ(deployment_->LogLines(kCredentialAuthority, "issued").size(), issued);
  }

  const Requester requester_;
};

INSTANTIATE_TEST_SUITE_P(, BindingTest, ::testing::Combine(::testing::ValuesIn(kDoors), BothTees()),
                         [](const ::testing::TestParamInfo<std::tuple<Door, Tee>>& info) {
                           return std::get<Door>(info.param).name + ("Of" + TeeName(std::get<Tee>(info.param)));
                         });

TEST_P(BindingTest, ControlIsAccepted) {
  EXPECT_OK(AttestTo([](v1::Binding&) {}));
}

TEST_P(BindingTest, RefusesEvidenceForAnotherRelyingParty) {
  ExpectMismatch([](v1::Binding& b) { b.set_rp_id(kKeyStoreRpId); });
}

TEST_P(BindingTest, RefusesEvidenceForAnotherTarget) {
  ExpectMismatch([](v1::Binding& b) { b.set_target("https://other.example.org"); });
}

TEST_P(BindingTest, RefusesEvidenceForAnotherCsr) {
  const Requester other;
  ExpectMismatch([&](v1::Binding& b) { b.set_subject(other.csr); });
}

TEST_P(BindingTest, RefusesEvidenceForAnotherNonce) {
  ExpectMismatch([](v1::Binding& b) { b.set_nonce(std::string(56, 'n')); });
}

// The lengths are part of what is hashed: what moves from one part to the next is another binding.
TEST_P(BindingTest, RefusesPartsThatOnlyTogetherAreTheSame) {
  ExpectMismatch([](v1::Binding& b) {
    b.set_target(b.target() + b.rp_id().substr(0, 1));
    b.set_rp_id(b.rp_id().substr(1));
  });
}

}  // namespace
}  // namespace twi::integration
