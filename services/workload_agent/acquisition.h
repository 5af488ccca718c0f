// What all four mechanisms share: what the agent asks for, and what it ends up holding.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_ACQUISITION_H_
#define TWI_SERVICES_WORKLOAD_AGENT_ACQUISITION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "proto/twi/v1/evidence.pb.h"
#include "proto/twi/v1/workload_credential.pb.h"
#include "services/workload_agent/validate_credential.h"

namespace twi::agent {

// All from the agent's own config; nothing of it is ever taken from the network.
struct AcquisitionTerms {
  std::string rp_id;                                  // of the Credential Authority (A, B, C) or the Key Store (D)
  std::string target;                                 // what the credential is for
  crypto::KeyType key_type = crypto::KeyType::kP256;  // of the Credential Key (A, B, C)
  std::string verifier_spiffe_id;                     // who must have signed Attestation Results that we read (A)
  std::string key_store_spiffe_id;                    // who must have sealed a Credential Key (D)
  std::vector<crypto::Certificate> anchors;           // of Workload Credentials
  std::string wit_bundle;                             // of credential_wit_bundle_file; empty: there is none
  std::string workload_identifier;                    // empty: any
};

// A Credential Key and the Workload Credential that matches it: validated, ready to install.
struct AcquiredCredential {
  crypto::PrivateKey key;
  v1::WorkloadCredential credential;
  CredentialFacts facts;
  std::string wit_bundle;  // what its WIT was validated against
};

// The binding that Evidence is made over: profile tacra-2, rp_id and target from `terms`.
v1::Binding MakeBinding(const AcquisitionTerms& terms, absl::string_view nonce, absl::string_view subject);

// What was asked for beside the X.509 form. kAskedFor: both forms, so a credential without the WIT that its key may
// have is not the answer.
enum class Wit { kAskedFor, kNotAskedFor };

// The last step of every mechanism: the credential is for `key`, and is one that `terms` accept
// (validate_credential.h). `wit_bundle` is the configured issuer's, or the owner's, whatever stands in `credential`
// beside the WIT. CREDENTIAL_KEY_MISMATCH, CREDENTIAL_INVALID.
absl::StatusOr<AcquiredCredential> MatchCredential(crypto::PrivateKey key, v1::WorkloadCredential credential, Wit wit,
                                                   std::string wit_bundle, const AcquisitionTerms& terms,
                                                   absl::Time now);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_ACQUISITION_H_
