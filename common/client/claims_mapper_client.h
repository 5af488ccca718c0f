// Calls to the Claims Mapper: one method per RPC, values in and out. Interface + gRPC: tests give flow files a fake.
#ifndef TWI_COMMON_CLIENT_CLAIMS_MAPPER_CLIENT_H_
#define TWI_COMMON_CLIENT_CLAIMS_MAPPER_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/client/channel.h"
#include "common/jose/jwk.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"
#include "proto/twi/v1/claims_mapper.pb.h"

namespace twi::client {

// Errors: the mapper's own refusals (MAPPING_*, RESULTS_*, POLICY_*, ...) under their names; DEPENDENCY_UNAVAILABLE and
// DEADLINE_EXCEEDED when there was no answer. `deadline` is the caller's own; each call also keeps to the peer's
// configured timeout. GetGrantKeys is repeated when nobody answers, nothing else is. Thread-safe.
class ClaimsMapperClient {
 public:
  virtual ~ClaimsMapperClient() = default;

  // A6, B9, C9: the grant, a JWS for common/grant. It is the mapper's word only after ValidateGrant.
  virtual absl::StatusOr<std::string> MapClaims(v1::InputKind input_kind, absl::string_view attestation_results,
                                                absl::string_view rp_id, absl::Time deadline) = 0;
  // P1.
  virtual absl::StatusOr<v1::PlanClaimsResponse> PlanClaims(const v1::PlanClaimsRequest& request,
                                                            absl::Time deadline) = 0;
  virtual absl::StatusOr<v1::PutPolicyResponse> PutPolicy(absl::string_view signed_policy, absl::Time deadline) = 0;
  // A page: the policies whose names come after `after`; `next` of the response asks for the one behind it.
  virtual absl::StatusOr<v1::ListPoliciesResponse> ListPolicies(absl::string_view after, absl::Time deadline) = 0;
  // Those of `names` (at most 64) that are in force, with their versions.
  virtual absl::StatusOr<v1::GetPolicyVersionsResponse> GetPolicyVersions(const std::vector<std::string>& names,
                                                                          absl::Time deadline) = 0;
  // For KeySource.
  virtual absl::StatusOr<jose::JwkSet> GetGrantKeys(absl::Time deadline) = 0;
};

// `peer` is validated (CONFIG_INVALID). `clock` must outlive the client.
absl::StatusOr<std::unique_ptr<ClaimsMapperClient>> MakeClaimsMapperClient(const config::v1::Peer& peer,
                                                                           const Identity& identity,
                                                                           const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_CLAIMS_MAPPER_CLIENT_H_
