// Puts the Claims Mapper together from its config: store, keys, owners, policies, server. main.cc starts it; tests
// start it in their own process.
#ifndef TWI_SERVICES_CLAIMS_MAPPER_CLAIMS_MAPPER_DAEMON_H_
#define TWI_SERVICES_CLAIMS_MAPPER_CLAIMS_MAPPER_DAEMON_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/client/key_source.h"
#include "common/crypto/random.h"
#include "common/server/daemon.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/claims_mapper.pb.h"

namespace twi::claims_mapper {

server::DaemonSpec ClaimsMapperSpec();

// Everything beyond the form of the config: ranges, SPIFFE IDs, owners and their key files, and each policy file
// (signature, document, entitlement). CONFIG_INVALID, or the policy's own reason.
absl::Status ValidateConfig(const config::v1::ClaimsMapperConfig& config, absl::Time now);

// Starts and listens. `fetch_verifier_keys` replaces the RPC to the Verifier (tests); empty: GetVerifierKeys over mTLS.
// On Reload: owners, relying parties, peers by kind, lifetimes and policy files are taken over, all together; a bad
// policy file refuses the whole, one that is not newer than what is in force changes nothing and is warned of. Server,
// storage, keys and the Verifier's address need a restart.
absl::StatusOr<std::unique_ptr<server::Running>> StartClaimsMapper(const config::v1::ClaimsMapperConfig& config,
                                                                   const Clock& clock, crypto::Random& random,
                                                                   client::KeySource::Fetch fetch_verifier_keys);

}  // namespace twi::claims_mapper

#endif  // TWI_SERVICES_CLAIMS_MAPPER_CLAIMS_MAPPER_DAEMON_H_
