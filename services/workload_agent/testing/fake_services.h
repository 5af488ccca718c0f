// The three services as an agent sees them, in memory: they answer as real ones would, unless a test changes their
// answer.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TESTING_FAKE_SERVICES_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TESTING_FAKE_SERVICES_H_

#include <functional>
#include <string>
#include <vector>

#include "common/attestation_results/attestation_results.h"
#include "common/client/credential_authority_client.h"
#include "common/client/key_store_client.h"
#include "common/client/verifier_client.h"
#include "common/crypto/hpke.h"
#include "common/crypto/keys.h"
#include "common/testing/fake_clock.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/testing/fake_issuer.h"

namespace twi::agent::testing {

constexpr char kVerifierId[] = "spiffe://example.org/twi/verifier";
constexpr char kKeyStoreId[] = "spiffe://example.org/twi/key-store";
constexpr char kTarget[] = "https://db.example";
constexpr char kRpId[] = "https://ca.example";
inline std::string ChannelKey() { return std::string(32, 'c'); }

// Evidence that holds the binding's value and nothing else.
class FakeAttester final : public Attester {
 public:
  absl::StatusOr<v1::Evidence> Attest(const v1::Binding& binding, absl::Duration limit) override;
  std::vector<v1::Binding> attested;
  absl::Duration last_limit;
  absl::Status fail;
};

class FakeVerifier final : public client::VerifierClient {
 public:
  FakeVerifier(const Clock& clock, const FakeIssuer& issuer);
  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time deadline) override;
  absl::StatusOr<v1::AppraiseResponse> Appraise(const v1::AppraiseRequest& request, absl::Time deadline) override;
  absl::StatusOr<v1::AppraiseResponse> AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest& request,
                                                               absl::Time deadline) override;
  absl::StatusOr<v1::RequestCredentialResponse> RequestCredential(const v1::RequestCredentialRequest& request,
                                                                  absl::Time deadline) override;
  absl::StatusOr<v1::GetVerifierKeysResponse> GetVerifierKeys(absl::Time deadline) override;

  const crypto::HpkePrivateKey& encryption_key() const { return encryption_key_; }

  std::function<void(AttestationResults&)> change_results;
  FakeIssuer::Changes credential_changes;  // A
  bool sign_with_foreign_key = false;
  absl::Status refuse;  // Appraise, RequestCredential
  int challenges = 0, key_fetches = 0;
  v1::RequestCredentialRequest last_request;  // A

 private:
  absl::StatusOr<AttestationResults> Results(const v1::Evidence& evidence, const v1::Binding& binding) const;
  std::string Sign(AttestationResults results) const;

  const Clock& clock_;
  const FakeIssuer& issuer_;
  crypto::PrivateKey key_, foreign_key_;
  crypto::HpkePrivateKey encryption_key_;
};

class FakeCredentialAuthority final : public client::CredentialAuthorityClient {
 public:
  // `verifier`: opens the encrypted Evidence of mechanism C, as the real one would.
  FakeCredentialAuthority(const FakeIssuer& issuer, const FakeVerifier& verifier)
      : issuer_(issuer), verifier_(verifier) {}
  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time deadline) override;
  absl::StatusOr<v1::IssueResponse> IssueForVerifier(const v1::IssueForVerifierRequest& request,
                                                     absl::Time deadline) override;
  absl::StatusOr<v1::IssueResponse> IssueFromResults(const v1::IssueFromResultsRequest& request,
                                                     absl::Time deadline) override;
  absl::StatusOr<v1::IssueResponse> IssueFromEvidence(const v1::IssueFromEvidenceRequest& request,
                                                      absl::Time deadline) override;
  absl::StatusOr<v1::IssueResponse> IssueForOwner(const v1::IssueForOwnerRequest& request,
                                                  absl::Time deadline) override;
  absl::StatusOr<v1::GetIssuanceResponse> GetIssuance(const v1::GetIssuanceRequest& request,
                                                      absl::Time deadline) override;
  absl::StatusOr<v1::GetTrustBundleResponse> GetTrustBundle(absl::Time deadline) override;

  FakeIssuer::Changes credential_changes;
  const crypto::PublicKey* issue_to = nullptr;  // instead of the CSR's key
  absl::Status refuse;
  int challenges = 0, issues = 0, bundle_fetches = 0;
  v1::IssueFromResultsRequest last_from_results;
  v1::Evidence opened_evidence;  // C

 private:
  absl::StatusOr<v1::IssueResponse> Issue(const std::string& csr);
  const FakeIssuer& issuer_;
  const FakeVerifier& verifier_;
};

class FakeKeyStore final : public client::KeyStoreClient {
 public:
  explicit FakeKeyStore(const Clock& clock);
  absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const v1::ProvisionKeyRequest& request,
                                                        absl::Time deadline) override;
  absl::StatusOr<v1::ReleaseKeyResponse> ReleaseKey(const v1::ReleaseKeyRequest& request, absl::Time deadline) override;
  absl::StatusOr<v1::ListKeysResponse> ListKeys(absl::Time deadline) override;
  absl::StatusOr<v1::GetKeyStoreKeysResponse> GetKeyStoreKeys(absl::Time deadline) override;

  const crypto::PublicKey& credential_key() const { return credential_key_.public_key(); }

  absl::Status refuse;
  bool sign_with_foreign_key = false;
  std::string issuer = kKeyStoreId;
  std::function<void(std::string& rp_id, std::string& target, std::string& nonce, std::string& key_id)> change_context;
  const crypto::HpkePrivateKey* seal_to = nullptr;  // instead of the attested key
  int releases = 0;

 private:
  const Clock& clock_;
  crypto::PrivateKey credential_key_, signing_key_, foreign_key_;
};

// The terms that fit the fakes.
AcquisitionTerms Terms(const FakeIssuer& issuer);

}  // namespace twi::agent::testing

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TESTING_FAKE_SERVICES_H_
