// A Verifier whose results key the test holds: it listens where the real one would, with the real one's certificate,
// and publishes its key. What the real Verifier never signs (results that are expired, not affirming, for another key)
// can be brought before the real relying parties this way.
#ifndef TWI_INTEGRATION_TESTS_STAND_IN_VERIFIER_H_
#define TWI_INTEGRATION_TESTS_STAND_IN_VERIFIER_H_

#include <memory>
#include <string>

#include "common/attestation_results/attestation_results.h"
#include "common/crypto/keys.h"
#include "integration_tests/deployment.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::integration {

class StandInVerifier {
 public:
  // Serves GetVerifierKeys, nothing else, from here on. The real one must not run.
  explicit StandInVerifier(const Deployment& deployment);
  ~StandInVerifier();

  // Results that every relying party accepts, of payroll-worker 1.2.0, for this request on this channel. `key_spki`:
  // the key that they name.
  AttestationResults Results(const v1::Binding& binding, const std::string& key_spki,
                             const std::string& channel_key_sha256) const;
  std::string Sign(const AttestationResults& results) const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_STAND_IN_VERIFIER_H_
