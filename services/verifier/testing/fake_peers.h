// The Verifier's two peers of mechanism A: they note what they are asked, and answer or refuse as the test says.
#ifndef TWI_SERVICES_VERIFIER_TESTING_FAKE_PEERS_H_
#define TWI_SERVICES_VERIFIER_TESTING_FAKE_PEERS_H_

#include <string>
#include <vector>

#include "common/client/claims_mapper_client.h"
#include "common/client/credential_authority_client.h"
#include "common/status/deny.h"

namespace twi::verifier {

inline absl::Status NotAsked() { return Deny(v1::DENY_REASON_INTERNAL, "the Verifier does not ask for this"); }

class FakeClaimsMapper final : public client::ClaimsMapperClient {
 public:
  absl::StatusOr<std::string> MapClaims(v1::InputKind kind, absl::string_view results, absl::string_view rp,
                                        absl::Time) override {
    ++asked;
    input_kind = kind;
    attestation_results = std::string(results);
    rp_id = std::string(rp);
    if (!refusal.ok()) return refusal;
    return std::string("the grant");
  }
  absl::StatusOr<v1::PlanClaimsResponse> PlanClaims(const v1::PlanClaimsRequest&, absl::Time) override {
    return NotAsked();
  }
  absl::StatusOr<v1::PutPolicyResponse> PutPolicy(absl::string_view, absl::Time) override { return NotAsked(); }
  absl::StatusOr<v1::ListPoliciesResponse> ListPolicies(absl::string_view, absl::Time) override { return NotAsked(); }
  absl::StatusOr<v1::GetPolicyVersionsResponse> GetPolicyVersions(const std::vector<std::string>&,
                                                                  absl::Time) override {
    return NotAsked();
  }
  absl::StatusOr<jose::JwkSet> GetGrantKeys(absl::Time) override { return NotAsked(); }

  absl::Status refusal;
  int asked = 0;
  v1::InputKind input_kind = v1::INPUT_KIND_UNSPECIFIED;
  std::string attestation_results, rp_id;
};

class FakeCredentialAuthority final : public client::CredentialAuthorityClient {
 public:
  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time) override { return NotAsked(); }
  absl::StatusOr<v1::IssueResponse> IssueForVerifier(const v1::IssueForVerifierRequest& r, absl::Time) override {
    ++asked;
    request = r;
    if (!refusal.ok()) return refusal;
    v1::IssueResponse response;
    response.mutable_credential()->set_wit("a.b.c");
    response.mutable_credential()->set_serial("0123");
    return response;
  }
  absl::StatusOr<v1::IssueResponse> IssueFromResults(const v1::IssueFromResultsRequest&, absl::Time) override {
    return NotAsked();
  }
  absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const v1::IssueFromEvidenceRequest&, absl::Time) override {
    return NotAsked();
  }
  absl::StatusOr<v1::IssueResponse> IssueForOwner(const v1::IssueForOwnerRequest&, absl::Time) override {
    return NotAsked();
  }
  absl::StatusOr<v1::GetIssuanceResponse> GetIssuance(const v1::GetIssuanceRequest&, absl::Time) override {
    return NotAsked();
  }
  absl::StatusOr<v1::GetTrustBundleResponse> GetTrustBundle(absl::Time) override { return NotAsked(); }

  absl::Status refusal;
  int asked = 0;
  v1::IssueForVerifierRequest request;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_TESTING_FAKE_PEERS_H_
