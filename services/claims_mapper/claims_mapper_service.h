// Adapter: gRPC to the Claims Mapper's domain functions. Relies on the gate (common/server) for who calls what, and
// itself decides by the channel's SPIFFE ID which kind of input a peer may bring (Verifiers: Evidence; Credential
// Authorities: Attestation Results) and whose policies an owner may load or plan with. Holds no policy.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_CLAIMS_MAPPER_SERVICE_H_
#define TWI_SERVICES_CLAIMS_MAPPER_CLAIMS_MAPPER_SERVICE_H_

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/key_source.h"
#include "common/crypto/random.h"
#include "common/grant/grant.h"
#include "common/server/server.h"
#include "common/storage/signing_keys.h"
#include "common/time/clock.h"
#include "proto/twi/v1/claims_mapper.grpc.pb.h"
#include "services/claims_mapper/map_claims.h"
#include "services/claims_mapper/policies.h"

namespace twi::claims_mapper {

// What the config says, and SIGHUP may change.
struct MapperSettings {
  std::string issuer;                            // our SPIFFE ID
  std::string verifier;                          // SPIFFE ID of the Verifier whose results are mapped
  std::set<std::string> relying_parties;         // rp_ids
  std::set<std::string> verifiers;               // may bring Evidence
  std::set<std::string> credential_authorities;  // may bring Attestation Results
  std::set<std::string> operators;               // see every policy
  absl::Duration grant_lifetime = absl::Minutes(2);
  absl::Duration results_max_age = absl::Minutes(10);
};

// All must outlive the service.
struct MapperDeps {
  const Clock& clock;
  crypto::Random& random;
  Policies& policies;
  PolicyStore& store;
  client::KeySource& verifier_keys;
  storage::SigningKeys& grant_keys;
  std::function<std::shared_ptr<const MapperSettings>()> settings;
};

class ClaimsMapperService final : public v1::ClaimsMapper::Service {
 public:
  ClaimsMapperService(server::Gate& gate, const MapperDeps& deps) : gate_(gate), deps_(deps) {}

  grpc::Status MapClaims(grpc::ServerContext* context, const v1::MapClaimsRequest* request,
                         v1::MapClaimsResponse* response) override;
  grpc::Status PlanClaims(grpc::ServerContext* context, const v1::PlanClaimsRequest* request,
                          v1::PlanClaimsResponse* response) override;
  grpc::Status PutPolicy(grpc::ServerContext* context, const v1::PutPolicyRequest* request,
                         v1::PutPolicyResponse* response) override;
  grpc::Status ListPolicies(grpc::ServerContext* context, const v1::ListPoliciesRequest* request,
                            v1::ListPoliciesResponse* response) override;
  grpc::Status GetPolicyVersions(grpc::ServerContext* context, const v1::GetPolicyVersionsRequest* request,
                                 v1::GetPolicyVersionsResponse* response) override;
  grpc::Status GetGrantKeys(grpc::ServerContext* context, const v1::GetGrantKeysRequest* request,
                            v1::GetGrantKeysResponse* response) override;

 private:
  absl::Status Map(const server::Call& call, const v1::MapClaimsRequest& request, v1::MapClaimsResponse& response);
  absl::Status Plan(const server::Call& call, const v1::PlanClaimsRequest& request, v1::PlanClaimsResponse& response);
  absl::Status Put(const server::Call& call, const v1::PutPolicyRequest& request, v1::PutPolicyResponse& response);
  absl::Status List(const server::Call& call, const v1::ListPoliciesRequest& request,
                    v1::ListPoliciesResponse& response);
  absl::Status Versions(const v1::GetPolicyVersionsRequest& request, v1::GetPolicyVersionsResponse& response);

  absl::StatusOr<AttestationResults> Validate(const server::Call& call, const MapperSettings& settings,
                                              const v1::MapClaimsRequest& request);
  Grant MakeGrant(const MapperSettings& settings, const MappedClaims& mapped, const std::string& rp_id);

  server::Gate& gate_;
  const MapperDeps& deps_;
};

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_CLAIMS_MAPPER_SERVICE_H_
