// Mechanism C: background check (draft-novak-rats-twi-attestation, variant 3); one round trip for the workload.
// The whole sequence, each step with the file that runs it:
//   C1  generate the Credential Key                            mechanism_c.cc
//   C2  make Evidence over the Credential Authority's nonce    mechanism_c.cc
//   C3  build the request: CSR, Evidence for the Verifier only mechanism_c.cc
//   C4  send it to the Credential Authority                    mechanism_c.cc
//   C5  which asks the Verifier, giving the nonce it issued    services/credential_authority/issue_from_evidence.cc
//   C6  the Verifier appraises                                 services/verifier/appraise_evidence.cc
//   C7  makes Attestation Results                              services/verifier/make_results.cc
//   C8  and returns them                                       services/verifier/verifier_service.cc
//   C9  the Claims Mapper maps them                            services/credential_authority/issue_from_evidence.cc
//   C10 the Credential Authority signs                         services/credential_authority/issue_from_evidence.cc
//   C11 and returns the credential                             services/credential_authority/issue_from_evidence.cc
#ifndef TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_C_H_
#define TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_C_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/credential_authority_client.h"
#include "common/time/clock.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/verifier_key_cache.h"

namespace twi::agent {

struct MechanismCDeps {
  const AcquisitionTerms& terms;
  Attester& attester;
  client::VerifierClient& verifier;  // only for its encryption key
  VerifierKeyCache& verifier_keys;
  client::CredentialAuthorityClient& credential_authority;
  const Clock& clock;
  absl::Time deadline;
};

// One attempt; a refusal is final for it, since its challenge is spent. The Credential Authority is a conduit that
// cannot read the Evidence.
absl::StatusOr<AcquiredCredential> AcquireByMechanismC(const MechanismCDeps& d);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_C_H_
