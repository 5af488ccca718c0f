#include "common/client/claims_mapper_client.h"

#include <utility>

#include "common/client/unary_call.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "proto/twi/v1/claims_mapper.grpc.pb.h"

namespace twi::client {
namespace {

using Stub = v1::ClaimsMapper::Stub;

class GrpcClaimsMapperClient final : public ClaimsMapperClient {
 public:
  GrpcClaimsMapperClient(const config::v1::Peer& peer, const Clock& clock,
                         const std::shared_ptr<grpc::Channel>& channel)
      : peer_(peer), clock_(clock), stub_(v1::ClaimsMapper::NewStub(channel)) {}

  absl::StatusOr<std::string> MapClaims(v1::InputKind input_kind, absl::string_view attestation_results,
                                        absl::string_view rp_id, absl::Time deadline) override {
    v1::MapClaimsRequest request;
    request.set_input_kind(input_kind);
    request.set_attestation_results(std::string(attestation_results));
    request.set_rp_id(std::string(rp_id));
    auto response =
        UnaryCall<v1::MapClaimsResponse>("MapClaims", *stub_, &Stub::MapClaims, request, peer_, deadline, clock_.Now());
    if (!response.ok()) return response.status();
    if (response->grant().empty())
      return Deny(v1::DENY_REASON_GRANT_MALFORMED, "MapClaims: the Claims Mapper answered without a grant");
    return std::move(*response->mutable_grant());
  }

  absl::StatusOr<v1::PlanClaimsResponse> PlanClaims(const v1::PlanClaimsRequest& request,
                                                    absl::Time deadline) override {
    return UnaryCall<v1::PlanClaimsResponse>("PlanClaims", *stub_, &Stub::PlanClaims, request, peer_, deadline,
                                             clock_.Now());
  }

  absl::StatusOr<v1::PutPolicyResponse> PutPolicy(absl::string_view signed_policy, absl::Time deadline) override {
    v1::PutPolicyRequest request;
    request.set_signed_policy(std::string(signed_policy));
    return UnaryCall<v1::PutPolicyResponse>("PutPolicy", *stub_, &Stub::PutPolicy, request, peer_, deadline,
                                            clock_.Now());
  }

  absl::StatusOr<v1::ListPoliciesResponse> ListPolicies(absl::string_view after, absl::Time deadline) override {
    v1::ListPoliciesRequest request;
    request.set_after(std::string(after));
    return UnaryCall<v1::ListPoliciesResponse>("ListPolicies", *stub_, &Stub::ListPolicies, request, peer_, deadline,
                                               clock_.Now());
  }

  absl::StatusOr<v1::GetPolicyVersionsResponse> GetPolicyVersions(const std::vector<std::string>& names,
                                                                  absl::Time deadline) override {
    v1::GetPolicyVersionsRequest request;
    for (const std::string& name : names) request.add_names(name);
    return UnaryCall<v1::GetPolicyVersionsResponse>("GetPolicyVersions", *stub_, &Stub::GetPolicyVersions, request,
                                                    peer_, deadline, clock_.Now());
  }

  absl::StatusOr<jose::JwkSet> GetGrantKeys(absl::Time deadline) override {
    auto response = RepeatableCall<v1::GetGrantKeysResponse>("GetGrantKeys", *stub_, &Stub::GetGrantKeys,
                                                             v1::GetGrantKeysRequest(), peer_, deadline, clock_);
    if (!response.ok()) return response.status();
    return jose::JwkSetFromText(response->jwks());
  }

 private:
  const config::v1::Peer peer_;
  const Clock& clock_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ClaimsMapperClient>> MakeClaimsMapperClient(const config::v1::Peer& peer,
                                                                           const Identity& identity,
                                                                           const Clock& clock) {
  TWI_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, MakeChannel(peer, identity));
  return std::unique_ptr<ClaimsMapperClient>(std::make_unique<GrpcClaimsMapperClient>(peer, clock, channel));
}

}  // namespace twi::client
