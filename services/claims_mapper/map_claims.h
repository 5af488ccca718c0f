// A6, B9, C9, P1: maps one composition to its stable identity and business claims, under the Workload Owners' policies
// (draft section 4). Plain functions over values.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_MAP_CLAIMS_H_
#define TWI_SERVICES_CLAIMS_MAPPER_MAP_CLAIMS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/attestation_results/attestation_results.h"
#include "common/cel/program.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/claims_mapper.pb.h"
#include "services/claims_mapper/policy_snapshot.h"

namespace twi::claims_mapper {

// What policies see. `results` is always set, `evidence` only for INPUT_KIND_EVIDENCE.
struct MapInput {
  v1::InputKind kind = v1::INPUT_KIND_UNSPECIFIED;
  cel::Activation values;
};

// `results` must be validated (ValidateResults): whose word they are is not looked at here.
MapInput InputFromResults(v1::InputKind kind, const AttestationResults& results);
// `results` must be checked against the schema (ValidateAnticipatedResults).
MapInput InputFromAnticipated(const nlohmann::json& results);

// What one policy grants to this input.
struct MappedClaims {
  std::string policy_name;
  std::uint64_t policy_version = 0;
  std::string policy_sha256;  // 32 bytes
  std::string policy_owner;
  std::string workload_identifier;
  nlohmann::json claims;        // object, at most 4 KiB as text
  absl::Duration max_lifetime;  // cut to the shortest volatile claim's life
  std::vector<std::string> dns_names;
};

// The grant of the one policy that accepts this kind of input and all of whose conditions are true. Refuses:
//   INPUT_KIND_NOT_ALLOWED  unset kind; or policies match, but accept other kinds only
//   MAPPING_NO_POLICY       no policy matches; the detail names, for the nearest ones, every condition that is not true
//   with what was seen and expected MAPPING_AMBIGUOUS       two or more match; the detail names them
//   MAPPING_CLAIM_FAILED    the policy matches, but a claim gives no value (an absent field), one of a wrong type, or
//   too much text
absl::StatusOr<MappedClaims> MapClaims(const PolicySnapshot& policies, const MapInput& input);

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_MAP_CLAIMS_H_
