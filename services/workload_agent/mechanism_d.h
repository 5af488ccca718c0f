// Mechanism D, acquisition of a Credential Key that the Workload Owner provisioned in the Key Store
// (draft-novak-rats-twi-attestation). Provisioning, P1 to P8: services/key_store/provision_key.cc and twictl.
// The whole sequence, each step with the file that runs it:
//   D1  generate an encryption key (X25519)                    mechanism_d.cc
//   D2  make Evidence over its SPKI and rp_id of the Key Store mechanism_d.cc
//   D3  it goes to the Verifier, which appraises               services/verifier/appraise_evidence.cc
//   D4  and returns results that name the encryption key       services/verifier/make_results.cc
//   D5  send the results to the Key Store                      mechanism_d.cc
//   D6  which validates them against the release policy        services/key_store/release_key.cc
//   D7  seals the Credential Key, and signs the bundle         services/key_store/release_key.cc
//   D8  verify who sealed it, open, match with the credential  mechanism_d.cc
#ifndef TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_D_H_
#define TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_D_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/key_store_client.h"
#include "common/client/verifier_client.h"
#include "common/time/clock.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/attester.h"

namespace twi::agent {

struct MechanismDDeps {
  const AcquisitionTerms& terms;
  Attester& attester;
  client::VerifierClient& verifier;
  client::KeyStoreClient& key_store;  // called by the same TLS key as `verifier`: the Attestation Results name it
  std::string key_id;                 // as the Key Store named the key when it was provisioned
  // What the Workload Owner put where we read it (ReadProvisionedCredential). Untrusted until the last step; by value,
  // so that one acquisition sees one state of the files.
  v1::WorkloadCredential provisioned;
  const Clock& clock;
  absl::Time deadline;
};

// One attempt; a refusal is final for it. SEALED_KEY_WRONG_SIGNER, SEALED_KEY_INVALID, CREDENTIAL_KEY_MISMATCH beyond
// the services' own.
absl::StatusOr<AcquiredCredential> AcquireByMechanismD(const MechanismDDeps& d);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_MECHANISM_D_H_
