// P1: holds the release policy of a key that is to be made against what its credential will say (mechanism D). A plain
// function over values.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_MATCH_RELEASE_POLICY_H_
#define TWI_SERVICES_CLAIMS_MAPPER_MATCH_RELEASE_POLICY_H_

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "services/claims_mapper/mapping_policy.h"
#include "services/key_store/release_policy.h"

namespace twi::claims_mapper {

// What a policy maps anticipated results to is only what the Workload Owner says of its workload. It is true of those
// who get the key when the release policy lets no others have it: else the key goes to version 1.3.0, and its
// credential says 1.2.0 although that was withdrawn; or to software that the policy does not know at all. `policy` is
// the one that matches `anticipated`, which was checked against the schema (ValidateAnticipatedResults). Checks:
//   the anticipated results meet the release policy (RELEASE_POLICY_REFUSED: such a key could never be opened);
//   the release policy pins every value that a claim of `policy` is computed from, and, where `policy` wants of the
//   software one of some literals (== or in), wants one of them too. RELEASE_POLICY_INVALID names all that it does not.
// Not checked: that it implies the other conditions of `policy` (hardware, say, or a version that starts with "1.").
absl::Status MatchReleasePolicy(const MappingPolicy& policy, const nlohmann::json& anticipated,
                                const key_store::ReleasePolicy& release_policy);

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_MATCH_RELEASE_POLICY_H_
