// What every mechanism ends in (A8, B10, C10, P7): a validated grant and a proven key become a credential, recorded
// before it leaves.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_H_

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/attestation_results/attestation_results.h"
#include "common/challenge/challenge.h"
#include "common/client/claims_mapper_client.h"
#include "common/client/key_source.h"
#include "common/client/verifier_client.h"
#include "common/counter_signature/counter_signature.h"
#include "common/crypto/csr.h"
#include "common/crypto/random.h"
#include "common/grant/grant.h"
#include "common/server/peer_identity.h"
#include "common/storage/database.h"
#include "common/storage/signing_keys.h"
#include "common/time/clock.h"
#include "proto/twi/v1/credential_authority.pb.h"
#include "services/credential_authority/issuer.h"
#include "services/credential_authority/policy_versions.h"

namespace twi::credential_authority {

// What issuing needs beside the request. Pointers may be null where the mechanism is not served (`mechanisms`).
struct AuthorityDeps {
  const Clock& clock;
  crypto::Random& random;
  storage::Database& database;
  const X509Authority& x509;
  storage::SigningKeys& wit_keys;
  Challenges& challenges;
  std::string rp_id;  // ours: every binding is recomputed with it
  std::string trust_domain;
  std::string wit_issuer;
  std::set<std::string> targets;
  std::set<std::string> mechanisms;  // of A, B, C, D
  absl::Duration max_lifetime;
  absl::Duration backdate;
  absl::Duration max_results_age;
  std::set<std::string> operators;  // SPIFFE IDs that read every record
  std::string verifier_issuer;
  std::string grant_issuer;
  std::string key_store_issuer;
  client::KeySource* verifier_keys;
  client::KeySource* grant_keys;
  client::KeySource* key_store_keys;
  client::ClaimsMapperClient* claims_mapper;
  client::VerifierClient* verifier;
  PolicyVersions* policy_versions;
};

// NOT_IMPLEMENTED unless config serves it.
absl::Status CheckMechanism(const AuthorityDeps& deps, const char* mechanism);

// The relying party's side of an attestation, the same for A, B and C: the results are the configured Verifier's, for
// us, in time, affirming; they answer this very request (binding recomputed with OUR rp_id, target served, channel
// key); the request's Proof-of-Possession holds and its key is the one that the results name.
struct AttestedRequest {
  AttestationResults results;
  std::string results_sha256;
  crypto::Csr csr;
};
absl::StatusOr<AttestedRequest> ValidateAttestedRequest(const AuthorityDeps& deps, absl::string_view results_jws,
                                                        v1::Binding binding, const std::string* channel_key_sha256,
                                                        absl::Time deadline);

// The grant's signature and every binding of it. `attested` null: D, for `owner`.
absl::StatusOr<Grant> ValidateGrantFor(const AuthorityDeps& deps, absl::string_view grant_jws,
                                       const AttestedRequest* attested, absl::string_view owner, absl::Time deadline);

// GRANT_POLICY_REPLACED unless the grant's policy version is the one in force (for grants that others carried: A and D;
// in B and C we have just asked).
absl::Status CheckPolicyInForce(const AuthorityDeps& deps, const Grant& grant, absl::Time deadline);

// What the Key Store said of a key that it holds (D): validated, and the JWS that says so.
struct CounterSigned {
  const CounterSignature& counter_signature;
  const std::string& jws;
  absl::Time expires;  // from when on it is too old anyway
};

struct IssueInput {
  const char* mechanism;
  const Grant& grant;
  std::string grant_jws;
  const crypto::PublicKey& public_key;
  const google::protobuf::RepeatedField<int>& forms;  // of the request: unset is both
  const AttestationResults* results;                  // null for D
  std::string results_sha256;
  std::string target;
  std::string requester;
  const CounterSigned* counter_signed = nullptr;  // D: its request is good for one credential
};

// Sign, read back, record, and only then return. REQUEST_MALFORMED: a form that is unknown or named twice;
// CSR_KEY_NOT_ALLOWED: a WIT was asked for by name, and the key's type cannot be used in one.
absl::StatusOr<v1::IssueResponse> Issue(const AuthorityDeps& deps, const IssueInput& input);

// JWKS of the WIT keys, `use` wit-svid; and the whole SPIFFE bundle (x509-svid entries too).
std::string WitKeySet(const AuthorityDeps& deps);
std::string SpiffeBundle(const AuthorityDeps& deps);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUE_H_
