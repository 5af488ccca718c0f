#include "services/key_store/provision_key.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/counter_signature/counter_signature.h"
#include "common/crypto/csr.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::key_store {
namespace {

constexpr std::int64_t kMaxPage = 64;
constexpr std::size_t kMaxPageBytes = 256 * 1024;

absl::Status MatchOwner(const KeyStoreDeps& deps, const std::string& owner) {
  if (deps.owners.count(owner) == 1) return absl::OkStatus();
  return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED, absl::StrCat(owner.empty() ? "a peer without a SPIFFE ID" : owner,
                                                             " is not a configured Workload Owner"));
}

// There is no way to change a key. Whoever names one is told so when it is theirs, and nothing when it is not.
absl::Status RefuseKeyId(const KeyStoreDeps& deps, const std::string& key_id, const std::string& owner) {
  const absl::StatusOr<CredentialKey> key = deps.keys.Find(key_id);
  if (key.ok() && key->owner == owner)
    return Deny(v1::DENY_REASON_RELEASE_POLICY_IMMUTABLE,
                absl::StrCat("key ", key_id, " exists, with the policy that it was made with"));
  if (key.ok() || DenyReasonOf(key.status()) == v1::DENY_REASON_KEY_UNKNOWN) {
    return Deny(v1::DENY_REASON_KEY_UNKNOWN, absl::StrCat("key_id ", key_id.substr(0, 64), " is not a key of ", owner,
                                                          "; the Key Store names new keys itself"));
  }
  return key.status();
}

// A target is good when a binding can carry it: no other could ever be released for.
absl::Status ValidateTarget(const KeyStoreDeps& deps, const std::string& target) {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce("12345678");
  binding.set_target(target);
  binding.set_rp_id(deps.rp_id);
  binding.set_subject("x");
  return ValidateBinding(binding);
}

absl::StatusOr<crypto::KeyType> KeyTypeOf(v1::CredentialKeyType type) {
  static const auto* const kTypes = new std::map<v1::CredentialKeyType, crypto::KeyType>{
      {v1::CREDENTIAL_KEY_TYPE_P256, crypto::KeyType::kP256},
      {v1::CREDENTIAL_KEY_TYPE_P384, crypto::KeyType::kP384},
      {v1::CREDENTIAL_KEY_TYPE_ED25519, crypto::KeyType::kEd25519},
      {v1::CREDENTIAL_KEY_TYPE_RSA3072, crypto::KeyType::kRsa3072}};
  const auto found = kTypes->find(type);
  if (found == kTypes->end())
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED,
                absl::StrCat("key_type ", static_cast<int>(type), " is unset or unknown"));
  return found->second;
}

absl::StatusOr<std::string> CounterSign(const KeyStoreDeps& deps, const CredentialKey& key, const std::string& csr) {
  CounterSignature counter_signature;
  counter_signature.issuer = deps.issuer;
  counter_signature.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(key.created));
  counter_signature.jti = ToBase64Url(deps.random.Bytes(16));
  counter_signature.owner = key.owner;
  counter_signature.key_id = key.key_id;
  counter_signature.csr_sha256 = crypto::Sha256(csr);
  counter_signature.release_policy_sha256 = crypto::Sha256(key.release_policy);
  counter_signature.target = key.target;
  const auto active = deps.signing_keys.Current(deps.clock.Now());
  return SignCounterSignature(counter_signature, active->key, active->kid);
}

v1::KeyInfo InfoOf(const CredentialKey& key, const ReleaseRecords::Counts& counts) {
  v1::KeyInfo info;
  info.set_key_id(key.key_id);
  info.set_key_type(key.type);
  info.set_public_key(key.spki);
  info.set_owner(key.owner);
  info.set_release_policy(key.release_policy);
  info.set_target(key.target);
  info.set_created_unix(absl::ToUnixSeconds(key.created));
  info.set_releases(counts.releases);
  info.set_refusals(counts.refusals);
  return info;
}

}  // namespace

absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const KeyStoreDeps& deps, const v1::ProvisionKeyRequest& request,
                                                      const std::string& owner) {
  TWI_RETURN_IF_ERROR(MatchOwner(deps, owner));
  if (!request.key_id().empty()) return RefuseKeyId(deps, request.key_id(), owner);
  TWI_ASSIGN_OR_RETURN(const crypto::KeyType type, KeyTypeOf(request.key_type()));
  TWI_RETURN_IF_ERROR(ValidateTarget(deps, request.target()));
  TWI_RETURN_IF_ERROR(ReleasePolicy::Compile(request.release_policy()).status());

  // P3: made inside, and on disk, sealed together with its policy, before anything about it leaves.
  TWI_ASSIGN_OR_RETURN(const crypto::PrivateKey private_key, crypto::PrivateKey::Generate(type));
  CredentialKey key;
  key.key_id = ToHex(deps.random.Bytes(16));
  key.type = request.key_type();
  key.owner = owner;
  key.target = request.target();
  key.release_policy = request.release_policy();
  key.spki = private_key.public_key().spki();
  key.created = absl::FromUnixMillis(absl::ToUnixMillis(deps.clock.Now()));
  TWI_RETURN_IF_ERROR(deps.keys.Add(key, private_key.ToPkcs8()));

  v1::ProvisionKeyResponse response;
  response.set_key_id(key.key_id);  // P4
  response.set_public_key(key.spki);
  TWI_ASSIGN_OR_RETURN(*response.mutable_csr(), crypto::MakeCsr(private_key));  // P5
  TWI_ASSIGN_OR_RETURN(*response.mutable_counter_signature(), CounterSign(deps, key, response.csr()));
  namespace f = log::fields;
  log::Audit("provisioned", {{f::kKeyId, key.key_id},
                             {f::kOwner, owner},
                             {f::kTarget, key.target},
                             {f::kPolicyDigest, ToHex(crypto::Sha256(key.release_policy))}});
  return response;
}

absl::StatusOr<v1::ListKeysResponse> ListKeys(const KeyStoreDeps& deps, const v1::ListKeysRequest& request,
                                              const std::string& owner) {
  TWI_RETURN_IF_ERROR(MatchOwner(deps, owner));
  if (request.after().size() > 64) return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "after is longer than a key id");
  TWI_ASSIGN_OR_RETURN(const std::vector<CredentialKey> keys, deps.keys.List(owner, request.after(), kMaxPage + 1));
  v1::ListKeysResponse response;
  std::size_t bytes = 0;
  for (const CredentialKey& key : keys) {
    if (response.keys_size() == kMaxPage ||
        (response.keys_size() > 0 && bytes + key.release_policy.size() > kMaxPageBytes)) {
      response.set_next(response.keys(response.keys_size() - 1).key_id());
      break;
    }
    TWI_ASSIGN_OR_RETURN(const ReleaseRecords::Counts counts, deps.records.Count(key.key_id));
    *response.add_keys() = InfoOf(key, counts);
    bytes += key.release_policy.size();
  }
  return response;
}

}  // namespace twi::key_store
