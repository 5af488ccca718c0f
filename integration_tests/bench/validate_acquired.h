// Is what an acquisition brought good? Every one is asked, after the measurement: a fast wrong answer is a failed run.
#ifndef TWI_INTEGRATION_TESTS_BENCH_VALIDATE_ACQUIRED_H_
#define TWI_INTEGRATION_TESTS_BENCH_VALIDATE_ACQUIRED_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "common/jose/jwk.h"
#include "integration_tests/bench/workload.h"

namespace twi::bench {

struct Expected {
  std::vector<crypto::Certificate> anchors;  // of the Credential Authority's trust bundle, fetched beforehand
  jose::JwkSet wit_keys;                     // wit-svid keys of the same
  jose::JwkSet verifier_keys;                // A: who signs the results that contain the credential
  std::string verifier_issuer, rp_id;
  std::string workload_identifier;
  bool wit = false;              // a WIT was asked for; without, there must be none
  std::string provisioned_spki;  // D: the key of the credential that was provisioned
  absl::Time now;
};

// Takes anchors and WIT keys from GetTrustBundle.
void FetchTrustBundle(Connections& connections, Expected& expected);

// A, B, C: the chain leads to an anchor, the leaf names the identifier alone and carries the client's key; a WIT, when
// one was asked for, is signed by a WIT key, for the same identifier and key. A: out of Attestation Results that
// validate. D: the key that was released is the provisioned one.
absl::Status ValidateAcquired(Mechanism mechanism, const Acquired& acquired, const Expected& expected);

// The X.509 and WIT part.
absl::Status ValidateCredential(const v1::WorkloadCredential& credential, absl::string_view key_spki,
                                const Expected& expected);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_VALIDATE_ACQUIRED_H_
