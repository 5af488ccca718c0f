// The agent's own look at a Workload Credential before it is used: whoever sent it, it must be for our key and from the
// anchors that the operator configured.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_VALIDATE_CREDENTIAL_H_
#define TWI_SERVICES_WORKLOAD_AGENT_VALIDATE_CREDENTIAL_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/jose/jwk.h"
#include "proto/twi/v1/workload_credential.pb.h"

namespace twi::agent {

struct CredentialExpectation {
  std::vector<crypto::Certificate> anchors;  // from credential_trust_bundle_file, never from the network
  std::string wit_bundle;                    // SPIFFE bundle whose keys sign WITs, as wit_bundle.h says: never the one
                                             // that came with the WIT. Empty: a WIT is refused
  bool wit_required = false;                 // one was asked for
  std::string workload_identifier;           // from config; empty: any
  absl::Time now;
};

// What a valid credential says.
struct CredentialFacts {
  std::string workload_identifier;
  absl::Time not_before;
  absl::Time not_after;  // of the shorter-lived of the two forms
  std::string serial;    // hex
};

// What is checked, in this order:
//  1 1 to 8 certificates, each parses; the leaf carries `credential_key` (CREDENTIAL_KEY_MISMATCH);
//  2 a path from the leaf over the rest of the chain to one of the anchors, all valid at `now`;
//  3 the leaf is no CA, its key usage has digitalSignature and neither keyCertSign nor cRLSign (X509-SVID 4.3);
//  4 exactly one URI SAN, a SPIFFE ID with a path; the configured identifier if there is one;
//  5 a WIT, if there is one: typ wit+jwt, signed by a wit-svid key of `expectation.wit_bundle`, sub equal to the URI
//    SAN, an iss that is a SPIFFE ID of the same trust domain, exp after `now`, iat not ahead of it by more than 5 s,
//    jti there, no aud, cnf.jwk equal to `credential_key` with the alg of its type (WIT-SVID; wimse-workload-creds). An
//    https iss names no trust domain: the bundle vouches for it. A key type that no WIT may have (Ed25519) must come
//    without one; any other with one if `wit_required`: a workload that lives on its WIT would lose it unnoticed.
// Everything but 1 and cnf.jwk's key is CREDENTIAL_INVALID with the detail. `credential.wit_bundle` is not looked at.
absl::StatusOr<CredentialFacts> ValidateCredential(const v1::WorkloadCredential& credential,
                                                   const crypto::PublicKey& credential_key,
                                                   const CredentialExpectation& expectation);

// The wit-svid keys of a SPIFFE bundle; its other entries (x509-svid) are not for WITs. At least one.
// CREDENTIAL_INVALID.
absl::StatusOr<jose::JwkSet> ParseWitBundle(const std::string& bundle);

// When a WIT that was validated once ends. CREDENTIAL_INVALID where it cannot be read.
absl::StatusOr<absl::Time> EndOfWit(const std::string& wit);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_VALIDATE_CREDENTIAL_H_
