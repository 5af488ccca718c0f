#include "services/key_store/release_key.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attestation_results/attestation_results.h"
#include "common/crypto/hash.h"
#include "common/crypto/hpke.h"
#include "common/encoding/encoding.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/sealed_key/sealed_key.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::key_store {
namespace {

constexpr std::size_t kKeyIdSize = 32;

absl::Status ValidateRequest(const v1::ReleaseKeyRequest& request) {
  if (request.key_id().size() != kKeyIdSize)
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "key_id is not 32 hex digits");
  if (request.attestation_results().empty())
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "attestation_results is empty");
  return absl::OkStatus();
}

absl::StatusOr<AttestationResults> Validate(const KeyStoreDeps& deps, const std::string& jws, absl::Time deadline) {
  TWI_ASSIGN_OR_RETURN(const client::KeySource::Keyset keys,
                       deps.verifier_keys.Keys(client::UnverifiedKid(jws), deadline));
  ResultsExpectation expected;
  expected.audience = deps.rp_id;
  expected.issuer = deps.verifier_issuer;
  expected.now = deps.clock.Now();
  expected.max_age = deps.max_results_age;
  return ValidateResults(jws, *keys, expected);
}

// What the results say against what is asked for, and by whom.
absl::Status MatchRequest(const KeyStoreDeps& deps, const AttestationResults& results, const v1::Binding& binding,
                          const std::string& channel_key_sha256) {
  if (binding.rp_id() != deps.rp_id) {
    return Deny(v1::DENY_REASON_BINDING_MISMATCH,
                absl::StrCat("binding.rp_id is ", binding.rp_id().substr(0, 256), ", we are ", deps.rp_id));
  }
  TWI_RETURN_IF_ERROR(MatchResultsToRequest(results, binding, channel_key_sha256));
  if (!crypto::CheckHpkePublicKey(binding.subject()).ok())
    return Deny(v1::DENY_REASON_RESULTS_KEY_MISMATCH, "binding.subject is no X25519 public key: nothing to seal to");
  if (!ConstantTimeEqual(results.key_spki, binding.subject())) {
    return Deny(v1::DENY_REASON_RESULTS_KEY_MISMATCH,
                "the results name another key than the encryption key of the request");
  }
  return absl::OkStatus();
}

absl::StatusOr<CredentialKey> FindReleasable(const KeyStoreDeps& deps, const std::string& key_id,
                                             const AttestationResults& results) {
  TWI_ASSIGN_OR_RETURN(CredentialKey key, deps.keys.Find(key_id));
  if (key.target != results.target) {
    return Deny(v1::DENY_REASON_TARGET_NOT_ALLOWED,
                absl::StrCat("the results are for target ", results.target, ", key ", key_id, " is for ", key.target));
  }
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<const ReleasePolicy> policy,
                       deps.policies.Get(key.key_id, key.release_policy));
  TWI_RETURN_IF_ERROR(policy->Match(results));
  return key;
}

absl::StatusOr<std::string> Seal(const KeyStoreDeps& deps, const CredentialKey& key, const v1::Binding& binding,
                                 const std::string& results_sha256) {
  SealedKeyContext context;
  context.rp_id = deps.rp_id;
  context.target = key.target;
  context.nonce = binding.nonce();
  context.key_id = key.key_id;
  context.results_sha256 = results_sha256;
  TWI_ASSIGN_OR_RETURN(const SecretBytes pkcs8, deps.keys.Unseal(key));
  const absl::Time now = deps.clock.Now();
  const auto active = deps.signing_keys.Current(now);
  return SealKey(context, binding.subject(), pkcs8, deps.issuer, ToBase64Url(deps.random.Bytes(16)), now, active->key,
                 active->kid);
}

// Fills `record` as far as it gets, so that a refusal is recorded with what was known.
absl::StatusOr<std::string> Release(const KeyStoreDeps& deps, const v1::ReleaseKeyRequest& request,
                                    const server::PeerIdentity& peer, absl::Time deadline, ReleaseRecord& record) {
  TWI_RETURN_IF_ERROR(ValidateRequest(request));

  // D6: the results, then what they are bound to, then the key's own policy.
  TWI_ASSIGN_OR_RETURN(const AttestationResults results, Validate(deps, request.attestation_results(), deadline));
  record.results_jti = results.jti;
  TWI_RETURN_IF_ERROR(MatchRequest(deps, results, request.binding(), peer.key_sha256));
  TWI_ASSIGN_OR_RETURN(const CredentialKey key, FindReleasable(deps, request.key_id(), results));

  // D7: sealed first, so that what is recorded as released could be released; the record is on disk before the sealed
  // key leaves.
  TWI_ASSIGN_OR_RETURN(std::string sealed, Seal(deps, key, request.binding(), record.results_sha256));
  TWI_RETURN_IF_ERROR(deps.records.AddRelease(record));
  namespace f = log::fields;
  log::Audit("released", {{f::kKeyId, key.key_id},
                          {f::kOwner, key.owner},
                          {f::kTarget, key.target},
                          {f::kResultsId, results.jti},
                          {f::kResultsDigest, ToHex(record.results_sha256)},
                          {f::kPolicyDigest, ToHex(crypto::Sha256(key.release_policy))},
                          {f::kPeer, record.peer}});
  return sealed;
}

}  // namespace

absl::StatusOr<std::string> ReleaseKey(const KeyStoreDeps& deps, const v1::ReleaseKeyRequest& request,
                                       const server::PeerIdentity& peer, absl::Time deadline) {
  ReleaseRecord record;
  record.key_id = request.key_id();
  record.at = deps.clock.Now();
  record.results_sha256 = crypto::Sha256(request.attestation_results());
  record.peer = peer.ToString();
  absl::StatusOr<std::string> sealed = Release(deps, request, peer, deadline, record);
  if (sealed.ok()) return sealed;
  record.reason = DenyReasonOf(sealed.status());
  record.detail = std::string(sealed.status().message());
  if (const absl::Status recorded = deps.records.AddRefusal(record); !recorded.ok()) {
    return Deny(v1::DENY_REASON_STORAGE_FAILED, absl::StrCat(recorded.message(), "; while refusing with ",
                                                             DenyReasonName(record.reason), ": ", record.detail));
  }
  return sealed;
}

}  // namespace twi::key_store
