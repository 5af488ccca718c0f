// One issuance by each mechanism, with real signatures and faked peers: what the tests of issue.h start from.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FIXTURE_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FIXTURE_H_

#include <functional>
#include <optional>
#include <string>

#include "common/testing/matchers.h"
#include "services/credential_authority/issue_for_owner.h"
#include "services/credential_authority/issue_for_verifier.h"
#include "services/credential_authority/issue_from_evidence.h"
#include "services/credential_authority/issue_from_results.h"
#include "services/credential_authority/testing/authority_under_test.h"

namespace twi::credential_authority {

class IssueTest : public ::testing::Test {
 protected:
  IssueTest() {
    a_.mapper.map = [this](absl::string_view results) -> absl::StatusOr<std::string> { return MakeGrant(results); };
    a_.verifier.appraise = [this](const v1::AppraiseForRelyingPartyRequest&) -> absl::StatusOr<std::string> {
      return results_jws_;
    };
  }

  // What the mapper grants for those results: to the key of the workload that asks, changed as the test says.
  std::string MakeGrant(absl::string_view results) {
    Grant grant = a_.GrantFor(*granted_key_, results);
    if (change_grant_) change_grant_(grant);
    return sign_grant_ ? sign_grant_(grant) : a_.SignGrant(grant);
  }

  // One issuance by `mechanism` (A, B or C) from results in hand. A request of its own in each call.
  absl::StatusOr<v1::IssueResponse> IssueWith(char mechanism, const AuthorityUnderTest::Workload& w,
                                              const std::string& results) {
    if (!granted_key_.has_value()) granted_key_ = w.key.public_key();
    results_jws_ = results;
    if (mechanism == 'A') {
      v1::IssueForVerifierRequest request;
      request.set_attestation_results(results);
      request.set_grant(MakeGrant(results));
      *request.mutable_binding() = w.binding;
      *request.mutable_forms() = forms_;
      return IssueForVerifier(*a_.deps, request, AuthorityUnderTest::Spiffe(kVerifierId), a_.deadline());
    }
    if (mechanism == 'B') {
      v1::IssueFromResultsRequest request;
      request.set_attestation_results(results);
      *request.mutable_binding() = w.binding;
      *request.mutable_forms() = forms_;
      return IssueFromResults(*a_.deps, request, w.peer, a_.deadline());
    }
    v1::IssueFromEvidenceRequest request;
    request.mutable_encrypted_evidence()->set_kid("of the Verifier");
    *request.mutable_binding() = w.binding;
    *request.mutable_forms() = forms_;
    return IssueFromEvidence(*a_.deps, request, w.peer, a_.deadline());
  }
  absl::StatusOr<v1::IssueResponse> IssueChanged(char mechanism,
                                                 const std::function<void(AttestationResults&)>& change) {
    const AuthorityUnderTest::Workload w = a_.NewWorkload();
    granted_key_ = w.key.public_key();
    AttestationResults results = a_.ResultsFor(w);
    if (change) change(results);
    return IssueWith(mechanism, w, a_.SignResults(results));
  }
  // Refused for `reason` by each of A, B and C, and nothing was issued.
  void ExpectRefused(DenyReason reason, const std::function<void(AttestationResults&)>& change) {
    for (const char mechanism : {'A', 'B', 'C'}) {
      EXPECT_THAT(IssueChanged(mechanism, change), testing::StatusIs(reason)) << mechanism;
    }
    EXPECT_EQ(a_.issued(), 0);
  }
  void ExpectGrantRefused(DenyReason reason, const std::function<void(Grant&)>& change) {
    change_grant_ = change;
    ExpectRefused(reason, nullptr);
  }

  v1::IssueForOwnerRequest OwnerRequest(const AuthorityUnderTest::Workload& w) {
    v1::IssueForOwnerRequest request;
    request.set_csr(w.csr);
    request.set_counter_signature(a_.Sign(a_.CounterSignatureFor(w.csr)));
    request.set_grant(a_.SignGrant(a_.GrantForOwner()));
    *request.mutable_forms() = forms_;
    return request;
  }
  absl::StatusOr<v1::IssueResponse> IssueD(const v1::IssueForOwnerRequest& request, const std::string& owner = kOwner) {
    return IssueForOwner(*a_.deps, request, AuthorityUnderTest::Spiffe(owner), a_.deadline());
  }

  AuthorityUnderTest a_;
  std::optional<crypto::PublicKey> granted_key_;
  std::string results_jws_;
  google::protobuf::RepeatedField<int> forms_;
  std::function<void(Grant&)> change_grant_;
  std::function<std::string(const Grant&)> sign_grant_;
};

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_FIXTURE_H_
