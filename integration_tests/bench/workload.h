// A workload as the benchmark's clients play it: the RPCs of one acquisition over channels that stay open, and the
// cryptography without which there is no answer. What it got is validated after the measurement (validate_acquired.h).
#ifndef TWI_INTEGRATION_TESTS_BENCH_WORKLOAD_H_
#define TWI_INTEGRATION_TESTS_BENCH_WORKLOAD_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/client/channel.h"
#include "common/client/credential_authority_client.h"
#include "common/client/key_store_client.h"
#include "common/client/verifier_client.h"
#include "common/jose/jwk.h"
#include "common/time/clock.h"
#include "integration_tests/bench/evidence_maker.h"
#include "integration_tests/bench/speed_of_light.h"
#include "proto/twi/v1/workload_credential.pb.h"

namespace twi::bench {

// Where the services are.
struct Services {
  config::v1::Peer verifier, credential_authority, key_store;
  std::string trust_bundle_file;
  std::string credential_authority_rp_id, key_store_rp_id, target;
  std::string key_id;  // D: as provisioned
};

// One TLS identity (a fresh attested key) and its open connections: one to each service.
struct Connections {
  std::shared_ptr<client::Identity> identity;
  std::unique_ptr<client::VerifierClient> verifier;
  std::unique_ptr<client::CredentialAuthorityClient> credential_authority;
  std::unique_ptr<client::KeyStoreClient> key_store;

  static std::unique_ptr<Connections> Open(const Services& services, const Clock& clock);
};

// Public keys that a client fetches once, not per acquisition.
struct FetchedKeys {
  std::string encryption_key_id, encryption_key_spki;  // of the Verifier (C)
  jose::JwkSet verifier_keys;
  jose::JwkSet key_store_keys;  // D
};
FetchedKeys FetchKeys(Connections& connections, bool key_store);

// What an acquisition brought: what validate_acquired.h needs.
struct Acquired {
  std::string key_spki;               // of the Credential Key that the client holds
  v1::WorkloadCredential credential;  // B, C
  std::string attestation_results;    // A: contain the credential
};

// What a tampered request changes, in turn.
enum class Tamper { kNone, kEvidence, kCsr };

class Workload {
 public:
  Workload(const Services& services, Connections& connections, const FetchedKeys& keys, const EvidenceMaker& evidence,
           const Clock& clock)
      : services_(services), connections_(connections), keys_(keys), evidence_(evidence), clock_(clock) {}

  // One acquisition, begin to end. With `tamper`, the request is changed after the Evidence was made: to be refused.
  absl::StatusOr<Acquired> Acquire(Mechanism mechanism, Tamper tamper);
  // Thread CPU that making Evidence took, all acquisitions together, microseconds: a TEE's work, not the client's.
  double evidence_cpu_us() const { return evidence_cpu_us_; }

 private:
  absl::StatusOr<Acquired> AcquireA(Tamper tamper);
  absl::StatusOr<Acquired> AcquireB(Tamper tamper);
  absl::StatusOr<Acquired> AcquireC(Tamper tamper);
  absl::StatusOr<Acquired> AcquireD(Tamper tamper);
  v1::Binding Bind(const std::string& nonce, const std::string& rp_id, const std::string& subject) const;
  v1::Evidence MakeEvidence(v1::Binding& binding, Tamper tamper);
  absl::Time Deadline() const { return clock_.Now() + absl::Seconds(10); }

  const Services& services_;
  Connections& connections_;
  const FetchedKeys& keys_;
  const EvidenceMaker& evidence_;
  const Clock& clock_;
  double evidence_cpu_us_ = 0;
};

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_WORKLOAD_H_
