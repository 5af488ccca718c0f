#include "services/claims_mapper/claims_mapper_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/anticipated_results/anticipated_results.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/policy_signature/policy_signature.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/claims_mapper/match_release_policy.h"
#include "services/key_store/release_policy.h"

namespace twi::claims_mapper {
namespace {

namespace f = log::fields;

constexpr std::size_t kMaxResults = 192 * 1024;
constexpr std::size_t kMaxAnticipated = 64 * 1024;
constexpr int kMaxNames = 64;
constexpr std::size_t kMaxPolicyName = 128;
constexpr int kPage = 256;
constexpr std::size_t kPageBytes = 256 * 1024;
constexpr std::size_t kJtiBytes = 16;

// Whose inputs of this kind are mapped. The kind is the peer's word, and who may say it is decided by the channel.
absl::Status CheckInputKind(v1::InputKind kind, const std::string& peer, const MapperSettings& settings) {
  const std::set<std::string>* allowed = nullptr;
  switch (kind) {
    case v1::INPUT_KIND_EVIDENCE:
      allowed = &settings.verifiers;
      break;
    case v1::INPUT_KIND_ATTESTATION_RESULTS:
      allowed = &settings.credential_authorities;
      break;
    case v1::INPUT_KIND_ANTICIPATED:
      return Deny(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED, "anticipated results are for PlanClaims");
    default:
      return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "input_kind is unset or unknown");
  }
  if (allowed->count(peer) == 1) return absl::OkStatus();
  return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED, absl::StrCat(peer, " may not bring ", v1::InputKind_Name(kind)));
}

absl::Status CheckRelyingParty(const std::string& rp_id, const MapperSettings& settings) {
  if (rp_id.empty()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "rp_id is unset");
  if (settings.relying_parties.count(rp_id) == 1) return absl::OkStatus();
  return Deny(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED, absl::StrCat("no grants are made for ", rp_id));
}

void Fill(const MappingPolicy& policy, v1::PolicyInfo& info) {
  info.set_name(policy.name);
  info.set_version(policy.version);
  info.set_owner(policy.owner);
  info.set_sha256(ToHex(policy.sha256));
  info.set_workload_identifier(policy.workload_identifier);
}

absl::StatusOr<nlohmann::json> ReadAnticipated(const std::string& text) {
  if (text.size() > kMaxAnticipated)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE,
                absl::StrCat("anticipated_results_json has ", text.size(), " bytes"));
  absl::StatusOr<nlohmann::json> anticipated = jose::ParseJson(text, kMaxAnticipated);
  if (!anticipated.ok())
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED,
                absl::StrCat("anticipated_results_json: ", anticipated.status().message()));
  TWI_RETURN_IF_ERROR(ValidateAnticipatedResults(*anticipated));
  if (anticipated->at("status") != "affirming") {
    return Deny(v1::DENY_REASON_RESULTS_NOT_AFFIRMING, "a workload whose results are not affirming gets no credential");
  }
  return anticipated;
}

absl::StatusOr<key_store::ReleasePolicy> ReadReleasePolicy(const std::string& document) {
  if (document.empty()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "release_policy is unset");
  if (document.size() > key_store::ReleasePolicy::kMaxDocument)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat("release_policy has ", document.size(), " bytes"));
  return key_store::ReleasePolicy::Compile(document);
}

// What each claim of `policy` is computed from; nothing for a constant.
void FillPlanned(const MappingPolicy& policy, v1::PlanClaimsResponse& response) {
  for (const MappedClaim& claim : policy.claims) {
    v1::PlannedClaim& planned = *response.add_claims();
    planned.set_name(claim.name);
    if (!claim.program.has_value()) continue;
    for (const std::vector<std::string>& path : claim.program->ReadPaths())
      *planned.add_computed_from()->mutable_names() = {path.begin(), path.end()};
  }
}

void AuditMapped(const server::Call& call, const Grant& grant) {
  log::Audit("mapped", {{f::kPeer, call.peer.ToString()},
                        {f::kWorkloadIdentifier, grant.workload_identifier},
                        {f::kPolicy, absl::StrCat(grant.policy_name, "@", grant.policy_version)},
                        {f::kRpId, grant.audience},
                        {f::kGrantId, grant.jti},
                        {f::kResultsDigest, ToHex(grant.results_sha256)}});
}

}  // namespace

// A6 B9 C9: map Attestation Results (for A: of the Evidence that the calling Verifier has just appraised) to a grant
// for the key that they name.
absl::Status ClaimsMapperService::Map(const server::Call& call, const v1::MapClaimsRequest& request,
                                      v1::MapClaimsResponse& response) {
  const std::shared_ptr<const MapperSettings> settings = deps_.settings();
  TWI_RETURN_IF_ERROR(CheckInputKind(request.input_kind(), call.peer.spiffe_id, *settings));
  TWI_RETURN_IF_ERROR(CheckRelyingParty(request.rp_id(), *settings));
  TWI_ASSIGN_OR_RETURN(const AttestationResults results, Validate(call, *settings, request));
  const MapInput input = InputFromResults(request.input_kind(), results);
  TWI_ASSIGN_OR_RETURN(const MappedClaims mapped, claims_mapper::MapClaims(*deps_.policies.snapshot(), input));
  Grant grant = MakeGrant(*settings, mapped, request.rp_id());
  grant.key_sha256 = crypto::Sha256(results.key_spki);
  grant.results_sha256 = crypto::Sha256(request.attestation_results());
  const std::shared_ptr<const storage::SigningKeys::Active> key = deps_.grant_keys.Current(deps_.clock.Now());
  TWI_ASSIGN_OR_RETURN(*response.mutable_grant(), SignGrant(grant, key->key, key->kid));
  AuditMapped(call, grant);
  return absl::OkStatus();
}

absl::StatusOr<AttestationResults> ClaimsMapperService::Validate(const server::Call& call,
                                                                 const MapperSettings& settings,
                                                                 const v1::MapClaimsRequest& request) {
  const std::string& jws = request.attestation_results();
  if (jws.empty()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "attestation_results is unset");
  if (jws.size() > kMaxResults)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat("attestation_results has ", jws.size(), " bytes"));
  TWI_ASSIGN_OR_RETURN(const client::KeySource::Keyset keys,
                       deps_.verifier_keys.Keys(client::UnverifiedKid(jws), call.deadline));
  ResultsExpectation expectation;
  expectation.audience = request.rp_id();
  expectation.issuer = settings.verifier;
  expectation.now = deps_.clock.Now();
  expectation.max_age = settings.results_max_age;
  // `verifiers` holds nobody but that Verifier (ValidateConfig), so whoever brings Evidence brings its own results.
  return ValidateResults(jws, *keys, expectation);
}

Grant ClaimsMapperService::MakeGrant(const MapperSettings& settings, const MappedClaims& mapped,
                                     const std::string& rp_id) {
  Grant grant;
  grant.issuer = settings.issuer;
  grant.audience = rp_id;
  grant.jti = ToBase64Url(deps_.random.Bytes(kJtiBytes));
  grant.issued_at = absl::FromUnixSeconds(absl::ToUnixSeconds(deps_.clock.Now()));
  grant.expires_at = grant.issued_at + settings.grant_lifetime;
  grant.workload_identifier = mapped.workload_identifier;
  grant.claims = mapped.claims;
  grant.max_lifetime = mapped.max_lifetime;
  grant.dns_names = mapped.dns_names;
  grant.policy_name = mapped.policy_name;
  grant.policy_version = mapped.policy_version;
  grant.policy_sha256 = mapped.policy_sha256;
  grant.policy_owner = mapped.policy_owner;
  return grant;
}

// P1: what would a workload with these results get? The grant is for the calling owner, who provisions, and for a key
// that its release policy keeps for such workloads: the Key Store counter-signs the policy's digest (P5), and the
// Credential Authority compares it with the grant's (P7).
absl::Status ClaimsMapperService::Plan(const server::Call& call, const v1::PlanClaimsRequest& request,
                                       v1::PlanClaimsResponse& response) {
  const std::shared_ptr<const MapperSettings> settings = deps_.settings();
  TWI_RETURN_IF_ERROR(CheckRelyingParty(request.rp_id(), *settings));
  if (call.peer.spiffe_id.empty() || deps_.policies.owners()->Find(call.peer.spiffe_id) == nullptr) {
    return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED, absl::StrCat(call.peer.ToString(), " is no Workload Owner"));
  }
  TWI_ASSIGN_OR_RETURN(const nlohmann::json anticipated, ReadAnticipated(request.anticipated_results_json()));
  TWI_ASSIGN_OR_RETURN(const key_store::ReleasePolicy release_policy, ReadReleasePolicy(request.release_policy()));
  const PolicySnapshot::Ptr snapshot = deps_.policies.snapshot();
  TWI_ASSIGN_OR_RETURN(const MappedClaims mapped,
                       claims_mapper::MapClaims(*snapshot, InputFromAnticipated(anticipated)));
  if (mapped.policy_owner != call.peer.spiffe_id) {
    return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED,
                absl::StrCat("policy ", mapped.policy_name, " is of ", mapped.policy_owner, ", the caller is ",
                             call.peer.spiffe_id));
  }
  const MappingPolicy& policy = *snapshot->FindByName(mapped.policy_name);
  TWI_RETURN_IF_ERROR(MatchReleasePolicy(policy, anticipated, release_policy));
  Grant grant = MakeGrant(*settings, mapped, request.rp_id());
  grant.owner = call.peer.spiffe_id;
  grant.release_policy_sha256 = crypto::Sha256(request.release_policy());
  const std::shared_ptr<const storage::SigningKeys::Active> key = deps_.grant_keys.Current(deps_.clock.Now());
  TWI_ASSIGN_OR_RETURN(*response.mutable_grant(), SignGrant(grant, key->key, key->kid));
  response.set_workload_identifier(grant.workload_identifier);
  response.set_claims_json(grant.claims.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  FillPlanned(policy, response);
  AuditMapped(call, grant);
  return absl::OkStatus();
}

absl::Status ClaimsMapperService::Put(const server::Call& call, const v1::PutPolicyRequest& request,
                                      v1::PutPolicyResponse& response) {
  const std::string& jws = request.signed_policy();
  if (jws.empty()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "signed_policy is unset");
  if (jws.size() > kMaxSignedPolicy)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat("signed_policy has ", jws.size(), " bytes"));
  TWI_ASSIGN_OR_RETURN(const PolicyPtr policy, deps_.policies.Put(jws, call.peer.spiffe_id, deps_.clock.Now()));
  response.set_name(policy->name);
  response.set_version(policy->version);
  response.set_sha256(ToHex(policy->sha256));
  return absl::OkStatus();
}

absl::Status ClaimsMapperService::List(const server::Call& call, const v1::ListPoliciesRequest& request,
                                       v1::ListPoliciesResponse& response) {
  if (request.after().size() > kMaxPolicyName)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "after is longer than a policy's name");
  const PolicySnapshot::Ptr snapshot = deps_.policies.snapshot();
  std::optional<std::string> owner = call.peer.spiffe_id;
  if (deps_.settings()->operators.count(*owner) == 1) owner.reset();
  TWI_ASSIGN_OR_RETURN(const std::vector<std::string> page, deps_.store.Page(owner, request.after(), kPage));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < page.size(); ++i) {
    // Our own store: the signature was verified when the policy was loaded.
    TWI_ASSIGN_OR_RETURN(const jose::VerifiedJws stored, jose::InsecureDecodeJws(page[i], kMaxSignedPolicy));
    const std::string name = stored.payload.value("name", "");
    const MappingPolicy* policy = snapshot->FindByName(name);
    if (policy != nullptr) {  // null: left out at start (its owner is gone), or replaced in this moment
      v1::PolicyInfo& info = *response.add_policies();
      Fill(*policy, info);
      if (stored.payload.value("version", std::uint64_t{0}) == policy->version)
        info.set_document(stored.payload.value("document", ""));
      bytes += info.ByteSizeLong();
    }
    const bool last = i + 1 == page.size();
    if (bytes >= kPageBytes || (last && page.size() == kPage)) {
      response.set_next(name);
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status ClaimsMapperService::Versions(const v1::GetPolicyVersionsRequest& request,
                                           v1::GetPolicyVersionsResponse& response) {
  if (request.names_size() > kMaxNames)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat(request.names_size(), " names, at most ", kMaxNames));
  const PolicySnapshot::Ptr snapshot = deps_.policies.snapshot();
  for (const std::string& name : request.names()) {
    if (const MappingPolicy* policy = snapshot->FindByName(name); policy != nullptr)
      Fill(*policy, *response.add_policies());
  }
  return absl::OkStatus();
}

grpc::Status ClaimsMapperService::MapClaims(grpc::ServerContext* context, const v1::MapClaimsRequest* request,
                                            v1::MapClaimsResponse* response) {
  return server::Handle(gate_, *context, "MapClaims",
                        [&](const server::Call& call) { return Map(call, *request, *response); });
}

grpc::Status ClaimsMapperService::PlanClaims(grpc::ServerContext* context, const v1::PlanClaimsRequest* request,
                                             v1::PlanClaimsResponse* response) {
  return server::Handle(gate_, *context, "PlanClaims",
                        [&](const server::Call& call) { return Plan(call, *request, *response); });
}

grpc::Status ClaimsMapperService::PutPolicy(grpc::ServerContext* context, const v1::PutPolicyRequest* request,
                                            v1::PutPolicyResponse* response) {
  return server::Handle(gate_, *context, "PutPolicy",
                        [&](const server::Call& call) { return Put(call, *request, *response); });
}

grpc::Status ClaimsMapperService::ListPolicies(grpc::ServerContext* context, const v1::ListPoliciesRequest* request,
                                               v1::ListPoliciesResponse* response) {
  return server::Handle(gate_, *context, "ListPolicies",
                        [&](const server::Call& call) { return List(call, *request, *response); });
}

grpc::Status ClaimsMapperService::GetPolicyVersions(grpc::ServerContext* context,
                                                    const v1::GetPolicyVersionsRequest* request,
                                                    v1::GetPolicyVersionsResponse* response) {
  return server::Handle(gate_, *context, "GetPolicyVersions",
                        [&](const server::Call&) { return Versions(*request, *response); });
}

grpc::Status ClaimsMapperService::GetGrantKeys(grpc::ServerContext* context, const v1::GetGrantKeysRequest*,
                                               v1::GetGrantKeysResponse* response) {
  return server::Handle(gate_, *context, "GetGrantKeys", [&](const server::Call&) {
    response->set_jwks(jose::ToJson(deps_.grant_keys.Published(deps_.clock.Now())).dump());
    return absl::OkStatus();
  });
}

}  // namespace twi::claims_mapper
