#include "services/verifier/request_credential.h"

#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "google/protobuf/util/json_util.h"

namespace twi::verifier {

absl::StatusOr<std::string> RequestCredential(const RequestCredentialDeps& deps,
                                              const v1::RequestCredentialRequest& request,
                                              absl::string_view channel_key_sha256, absl::Time deadline) {
  // A5: challenge, Evidence, binding.
  TWI_ASSIGN_OR_RETURN(AttestationResults results,
                       AppraiseForWorkload(deps.verifier, request.evidence(), request.binding(), channel_key_sha256));
  TWI_ASSIGN_OR_RETURN(const std::string signed_results, Sign(deps.verifier, results));

  // A6: the mapper sees the appraised Evidence inside our signed results, so it need not believe this channel.
  TWI_ASSIGN_OR_RETURN(const std::string grant, deps.claims_mapper.MapClaims(v1::INPUT_KIND_EVIDENCE, signed_results,
                                                                             request.binding().rp_id(), deadline));

  // A7: whoever carries the grant, it is good for this key and these results only.
  v1::IssueForVerifierRequest issue;
  issue.set_attestation_results(signed_results);
  issue.set_grant(grant);
  *issue.mutable_binding() = request.binding();
  *issue.mutable_forms() = request.forms();
  TWI_ASSIGN_OR_RETURN(const v1::IssueResponse issued, deps.credential_authority.IssueForVerifier(issue, deadline));

  // A9: results of their own id, since the first ones are used up.
  std::string credential_json;
  if (!google::protobuf::util::MessageToJsonString(issued.credential(), &credential_json).ok()) {
    return Deny(v1::DENY_REASON_INTERNAL, "the credential has no JSON form");
  }
  results.jti = ToBase64Url(deps.verifier.random.Bytes(16));
  results.workload_credential_json = std::move(credential_json);
  return Sign(deps.verifier, results);
}

}  // namespace twi::verifier
