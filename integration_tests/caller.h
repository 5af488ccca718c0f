// A client of the daemons that sends whatever a test wants: one method per RPC, no retries, no checks of what comes
// back.
#ifndef TWI_INTEGRATION_TESTS_CALLER_H_
#define TWI_INTEGRATION_TESTS_CALLER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "integration_tests/deployment.h"
#include "proto/twi/v1/claims_mapper.pb.h"
#include "proto/twi/v1/credential_authority.pb.h"
#include "proto/twi/v1/key_store.pb.h"
#include "proto/twi/v1/verifier.pb.h"

namespace twi::integration {

// What came back on the wire.
struct RawAnswer {
  int code = -1;       // gRPC status code
  std::string reason;  // of the ErrorInfo of domain "twi"; empty when there is none
  std::string message;
};

// Refusals come back as Status with the reason that the ErrorInfo names (matchers: StatusIs); no answer as
// DEPENDENCY_UNAVAILABLE or DEADLINE_EXCEEDED. Thread-safe. Connections are made at the first call to a daemon and
// kept.
class Caller {
 public:
  // A workload: fresh self-signed TLS key.
  static Caller Workload(const Deployment& deployment);
  // Who holds NAME.pem and NAME.key.pem of the deployment: "tls/verifier", "owners/payroll".
  static Caller Holder(const Deployment& deployment, const std::string& name);
  // Whoever these files say, trusting the deployment's services.
  static Caller Files(const Deployment& deployment, const std::string& certificate_file, const std::string& key_file);
  // TLS without a client certificate, and no TLS at all.
  static Caller WithoutCertificate(const Deployment& deployment);
  static Caller Plaintext(const Deployment& deployment);
  ~Caller();
  Caller(Caller&&) noexcept;

  std::string key_sha256() const;  // of our TLS key, 32 bytes; empty without one

  absl::StatusOr<v1::NewChallengeResponse> VerifierChallenge();
  absl::StatusOr<v1::AppraiseResponse> Appraise(const v1::AppraiseRequest& request);
  absl::StatusOr<v1::AppraiseResponse> AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest& request);
  absl::StatusOr<v1::RequestCredentialResponse> RequestCredential(const v1::RequestCredentialRequest& request);
  absl::StatusOr<v1::GetVerifierKeysResponse> GetVerifierKeys();

  absl::StatusOr<v1::NewChallengeResponse> AuthorityChallenge();
  absl::StatusOr<v1::IssueResponse> IssueForVerifier(const v1::IssueForVerifierRequest& request);
  absl::StatusOr<v1::IssueResponse> IssueFromResults(const v1::IssueFromResultsRequest& request);
  absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const v1::IssueFromEvidenceRequest& request);
  absl::StatusOr<v1::IssueResponse> IssueForOwner(const v1::IssueForOwnerRequest& request);
  absl::StatusOr<v1::GetIssuanceResponse> GetIssuance(const std::string& serial);
  absl::StatusOr<v1::GetTrustBundleResponse> GetTrustBundle();

  absl::StatusOr<v1::MapClaimsResponse> MapClaims(const v1::MapClaimsRequest& request);
  absl::StatusOr<v1::PlanClaimsResponse> PlanClaims(const v1::PlanClaimsRequest& request);
  absl::StatusOr<v1::PutPolicyResponse> PutPolicy(const std::string& signed_policy);
  absl::StatusOr<v1::GetPolicyVersionsResponse> GetPolicyVersions(const std::string& name);
  absl::StatusOr<v1::GetGrantKeysResponse> GetGrantKeys();

  absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const v1::ProvisionKeyRequest& request);
  absl::StatusOr<v1::ReleaseKeyResponse> ReleaseKey(const v1::ReleaseKeyRequest& request);
  absl::StatusOr<v1::ListKeysResponse> ListKeys();
  absl::StatusOr<v1::GetKeyStoreKeysResponse> GetKeyStoreKeys();

  // `method`: "/twi.v1.Verifier/Appraise"; `message`: the bytes of the request message, whatever they are.
  RawAnswer Raw(const std::string& daemon, const std::string& method, const std::string& message);

 private:
  struct Impl;
  explicit Caller(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_CALLER_H_
