#include "services/credential_authority/issue_for_owner.h"

#include "absl/strings/str_cat.h"
#include "common/counter_signature/counter_signature.h"
#include "common/encoding/encoding.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::credential_authority {
namespace {

// The mapper held the claims against one release policy (P1), the Key Store made the key with one (P3): the same, or
// the key goes to workloads of which the claims need not be true.
absl::Status MatchReleasePolicies(const Grant& grant, const CounterSignature& counter_signature) {
  if (ConstantTimeEqual(grant.release_policy_sha256, counter_signature.release_policy_sha256)) return absl::OkStatus();
  return Deny(v1::DENY_REASON_GRANT_WRONG_KEY,
              absl::StrCat("the grant is for a key with release policy ", ToHex(grant.release_policy_sha256), ", key ",
                           counter_signature.key_id, " has ", ToHex(counter_signature.release_policy_sha256)));
}

}  // namespace

absl::StatusOr<v1::IssueResponse> IssueForOwner(const AuthorityDeps& deps, const v1::IssueForOwnerRequest& request,
                                                const server::PeerIdentity& peer, absl::Time deadline) {
  TWI_RETURN_IF_ERROR(CheckMechanism(deps, "D"));
  if (peer.kind != server::PeerIdentity::Kind::kSpiffeId)
    return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED, "a Workload Owner has a SPIFFE ID");
  // P7: the key lives in the Key Store under a release policy (its counter-signature says so), and the identity is the
  // mapper's plan for this owner and that release policy.
  TWI_ASSIGN_OR_RETURN(const crypto::Csr csr, crypto::ParseAndVerifyCsr(request.csr()));
  CounterSignatureExpectation expectation;
  expectation.issuer = deps.key_store_issuer;
  expectation.csr_der = request.csr();
  expectation.owner = peer.spiffe_id;
  expectation.now = deps.clock.Now();
  TWI_ASSIGN_OR_RETURN(const client::KeySource::Keyset keys,
                       deps.key_store_keys->Keys(client::UnverifiedKid(request.counter_signature()), deadline));
  TWI_ASSIGN_OR_RETURN(const CounterSignature counter_signature,
                       ValidateCounterSignature(request.counter_signature(), *keys, expectation));
  if (deps.targets.count(counter_signature.target) == 0) {
    return Deny(v1::DENY_REASON_TARGET_NOT_ALLOWED,
                absl::StrCat("target ", counter_signature.target, " is not served here"));
  }
  TWI_ASSIGN_OR_RETURN(const Grant grant, ValidateGrantFor(deps, request.grant(), nullptr, peer.spiffe_id, deadline));
  TWI_RETURN_IF_ERROR(MatchReleasePolicies(grant, counter_signature));
  TWI_RETURN_IF_ERROR(CheckPolicyInForce(deps, grant, deadline));
  const CounterSigned counter_signed{counter_signature, request.counter_signature(),
                                     counter_signature.issued_at + expectation.max_age};
  return Issue(deps, {"D", grant, request.grant(), csr.public_key, request.forms(), nullptr, "",
                      counter_signature.target, peer.ToString(), &counter_signed});
}

}  // namespace twi::credential_authority
