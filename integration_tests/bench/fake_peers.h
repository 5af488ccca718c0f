// The Verifier and the Claims Mapper as far as a Credential Authority that is measured alone needs them: their public
// keys and the policy in force. They listen where the deployment's configs say, with its certificates.
#ifndef TWI_INTEGRATION_TESTS_BENCH_FAKE_PEERS_H_
#define TWI_INTEGRATION_TESTS_BENCH_FAKE_PEERS_H_

#include <memory>
#include <string>

#include "common/crypto/keys.h"
#include "common/server/server.h"
#include "common/time/clock.h"
#include "integration_tests/deployment.h"
#include "proto/twi/v1/claims_mapper.pb.h"

namespace twi::bench {

struct FakePeers {
  // Verifier: GetVerifierKeys gives `results_key`. Claims Mapper: GetGrantKeys gives `grant_key`, GetPolicyVersions
  // `policy`. Everything else is not implemented. Key ids are thumbprints.
  static FakePeers Start(const integration::Deployment& deployment, const Clock& clock,
                         const crypto::PublicKey& results_key, const crypto::PublicKey& grant_key,
                         const v1::PolicyInfo& policy);

  std::unique_ptr<server::Server> verifier, claims_mapper;
};

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_FAKE_PEERS_H_
