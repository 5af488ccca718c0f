// Mechanism B: passport (draft-novak-rats-twi-attestation, variant 1).
// The whole sequence, each step with the file that runs it:
//   B1  generate the Credential Key                            mechanism_b.cc
//   B2  make the CSR, and Evidence over it                     mechanism_b.cc
//   B3  send the Evidence to the Verifier                      mechanism_b.cc
//   B4  which appraises                                        services/verifier/appraise_evidence.cc
//   B5  makes results: attested key, nonce, reported binding   services/verifier/make_results.cc
//   B6  and returns them                                       services/verifier/verifier_service.cc
//   B7  build the Credential Request: CSR and results          mechanism_b.cc
//   B8  send it to the Credential Authority                    mechanism_b.cc
//   B9  which validates and has the Claims Mapper map them     services/credential_authority/issue_from_results.cc
//   B10 signs                                                  services/credential_authority/issue_from_results.cc
//   B11 and returns the credential                             services/credential_authority/issue_from_results.cc
#ifndef TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_B_H_
#define TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_B_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/credential_authority_client.h"
#include "common/client/verifier_client.h"
#include "common/time/clock.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/attester.h"

namespace twi::agent {

struct MechanismBDeps {
  const AcquisitionTerms& terms;
  Attester& attester;
  client::VerifierClient& verifier;
  client::CredentialAuthorityClient&
      credential_authority;  // called by the same TLS key as `verifier`: the Attestation Results name it
  const Clock& clock;
  absl::Time deadline;
};

// One attempt; a refusal is final for it, since its challenge and its Attestation Results are good for one use. The
// Attestation Results are for the Credential Authority and are handed on unread.
absl::StatusOr<AcquiredCredential> AcquireByMechanismB(const MechanismBDeps& d);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_B_H_
