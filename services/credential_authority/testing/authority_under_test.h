// A Credential Authority's parts put together as its daemon does it. The test holds the signing keys of its Verifier,
// Claims Mapper and Key Store, and plays all three.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_TESTING_AUTHORITY_UNDER_TEST_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_TESTING_AUTHORITY_UNDER_TEST_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/counter_signature/counter_signature.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/temp_dir.h"
#include "services/credential_authority/issue.h"

namespace twi::credential_authority {

constexpr char kAuthorityId[] = "spiffe://test.example/twi/credential-authority";
constexpr char kVerifierId[] = "spiffe://test.example/twi/verifier";
constexpr char kMapperId[] = "spiffe://test.example/twi/claims-mapper";
constexpr char kKeyStoreId[] = "spiffe://test.example/twi/key-store";
constexpr char kOwner[] = "spiffe://test.example/owner/payroll";
constexpr char kOtherOwner[] = "spiffe://test.example/owner/ledger";
constexpr char kOperator[] = "spiffe://test.example/operator";
constexpr char kRpId[] = "https://ca.test.example";
constexpr char kTarget[] = "https://payroll.test.example";
constexpr char kIdentifier[] = "spiffe://test.example/payroll/worker";

// Maps whatever is signed by the Verifier under test; tells which policy version is in force.
class FakeMapper final : public client::ClaimsMapperClient {
 public:
  absl::StatusOr<std::string> MapClaims(v1::InputKind kind, absl::string_view results, absl::string_view rp_id,
                                        absl::Time) override;
  absl::StatusOr<v1::PlanClaimsResponse> PlanClaims(const v1::PlanClaimsRequest&, absl::Time) override;
  absl::StatusOr<v1::PutPolicyResponse> PutPolicy(absl::string_view, absl::Time) override;
  absl::StatusOr<v1::ListPoliciesResponse> ListPolicies(absl::string_view, absl::Time) override;
  absl::StatusOr<v1::GetPolicyVersionsResponse> GetPolicyVersions(const std::vector<std::string>& names,
                                                                  absl::Time) override;
  absl::StatusOr<jose::JwkSet> GetGrantKeys(absl::Time) override;

  std::function<absl::StatusOr<std::string>(absl::string_view results)> map;
  absl::Status refusal;           // of MapClaims
  absl::Status versions_refusal;  // of GetPolicyVersions
  v1::PolicyInfo in_force;
  int mapped = 0, versions_asked = 0;
  v1::InputKind kind = v1::INPUT_KIND_UNSPECIFIED;
};

class FakeVerifier final : public client::VerifierClient {
 public:
  absl::StatusOr<v1::NewChallengeResponse> NewChallenge(absl::Time) override;
  absl::StatusOr<v1::AppraiseResponse> Appraise(const v1::AppraiseRequest&, absl::Time) override;
  absl::StatusOr<v1::AppraiseResponse> AppraiseForRelyingParty(const v1::AppraiseForRelyingPartyRequest& request,
                                                               absl::Time) override;
  absl::StatusOr<v1::RequestCredentialResponse> RequestCredential(const v1::RequestCredentialRequest&,
                                                                  absl::Time) override;
  absl::StatusOr<v1::GetVerifierKeysResponse> GetVerifierKeys(absl::Time) override;

  std::function<absl::StatusOr<std::string>(const v1::AppraiseForRelyingPartyRequest&)> appraise;
  v1::AppraiseForRelyingPartyRequest request;
  int asked = 0;
};

class AuthorityUnderTest {
 public:
  explicit AuthorityUnderTest(absl::Time now = absl::FromUnixSeconds(1795262400));
  // Makes the deps anew with what of them a test has changed (clock, keys and stores stay).
  void Assemble();

  struct Workload {
    crypto::PrivateKey key;
    std::string csr;
    server::PeerIdentity peer;  // attested_key
    v1::Binding binding;
  };
  Workload NewWorkload(crypto::KeyType type = crypto::KeyType::kP256);
  AttestationResults ResultsFor(const Workload& workload);
  std::string SignResults(const AttestationResults& results) const;
  // Bound to that key and those results, or to kOwner (D).
  Grant GrantFor(const crypto::PublicKey& key, absl::string_view results_jws);
  Grant GrantForOwner();
  std::string SignGrant(const Grant& grant) const;
  CounterSignature CounterSignatureFor(const std::string& csr);
  std::string Sign(const CounterSignature& counter_signature) const;

  static server::PeerIdentity Spiffe(const std::string& id);
  absl::Time deadline() const { return clock.Now() + absl::Seconds(10); }
  long long issued() const;

  testing::FakeClock clock;
  testing::FakeRandom random;
  testing::TempDir dir;
  const crypto::PrivateKey verifier_key, mapper_key, key_store_key, foreign_key;
  std::unique_ptr<storage::Sealer> sealer;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<X509Authority> x509;
  std::unique_ptr<storage::SigningKeys> wit_keys;
  std::unique_ptr<Challenges> challenges;
  std::unique_ptr<client::KeySource> verifier_keys, grant_keys, key_store_keys;
  FakeMapper mapper;
  FakeVerifier verifier;
  std::unique_ptr<PolicyVersions> policy_versions;
  std::set<std::string> mechanisms = {"A", "B", "C", "D"};
  absl::Duration max_lifetime = absl::Hours(1);
  std::unique_ptr<AuthorityDeps> deps;

 private:
  int serial_ = 0;
};

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_TESTING_AUTHORITY_UNDER_TEST_H_
