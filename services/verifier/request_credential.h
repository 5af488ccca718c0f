// Mechanism A at the Verifier (variant 2: the Verifier is the front door).
//   A1..A4  workload_agent/mechanism_a.cc
//   A5      the Verifier appraises                                   here
//   A6      asks the Claims Mapper to map the appraised Evidence     here; claims_mapper/map_claims.cc
//   A7      sends CSR + grant + AR to the Credential Authority       here
//   A8      it checks AR, grant, PoP and signs                       credential_authority/issue_for_verifier.cc
//   A9      returns an AR that contains the credential               here
//   A10     workload_agent/mechanism_a.cc
#ifndef TWI_SERVICES_VERIFIER_REQUEST_CREDENTIAL_H_
#define TWI_SERVICES_VERIFIER_REQUEST_CREDENTIAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/client/claims_mapper_client.h"
#include "common/client/credential_authority_client.h"
#include "services/verifier/verify_request.h"

namespace twi::verifier {

struct RequestCredentialDeps {
  const VerifierDeps& verifier;
  client::ClaimsMapperClient& claims_mapper;
  client::CredentialAuthorityClient& credential_authority;
};

// Returns the signed results with the credential inside.
absl::StatusOr<std::string> RequestCredential(const RequestCredentialDeps& deps,
                                              const v1::RequestCredentialRequest& request,
                                              absl::string_view channel_key_sha256, absl::Time deadline);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_REQUEST_CREDENTIAL_H_
