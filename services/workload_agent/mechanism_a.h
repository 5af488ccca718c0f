// Mechanism A: the Verifier is the front door (draft-novak-rats-twi-attestation, variant 2).
// The whole sequence, each step with the file that runs it:
//   A1  generate the Credential Key                            mechanism_a.cc
//   A2  make the CSR, the Proof-of-Possession                  mechanism_a.cc
//   A3  make Evidence over nonce, target, rp_id, CSR           mechanism_a.cc
//   A4  send Evidence and CSR to the Verifier                  mechanism_a.cc
//   A5  the Verifier appraises                                 services/verifier/request_credential.cc
//   A6  has the Claims Mapper map the appraised Evidence       services/verifier/request_credential.cc
//   A7  sends CSR, grant, results to the Credential Authority  services/verifier/request_credential.cc
//   A8  which validates them and signs                         services/credential_authority/issue_for_verifier.cc
//   A9  the Verifier returns results with the credential       services/verifier/request_credential.cc
//   A10 check that the credential matches the Credential Key   mechanism_a.cc
#ifndef TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_A_H_
#define TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_A_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/verifier_client.h"
#include "common/time/clock.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/attester.h"

namespace twi::agent {

struct MechanismADeps {
  const AcquisitionTerms& terms;
  Attester& attester;
  client::VerifierClient& verifier;
  std::string channel_key_sha256;  // of the TLS key by which `verifier` is called, 32 bytes
  const Clock& clock;
  absl::Time deadline;
};

// One attempt; a refusal is final for it, since its challenge is spent. Beyond the credential itself, checks that the
// Attestation Results are the configured Verifier's, for our rp_id, key, nonce, target and channel (RESULTS_*,
// BINDING_MISMATCH).
absl::StatusOr<AcquiredCredential> AcquireByMechanismA(const MechanismADeps& d);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_A_H_
