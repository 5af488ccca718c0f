// A WIT in a credential directory, looked at as a peer would. Not the agent's own check (validate_credential.h): what
// that lets through must be noticed here.
#ifndef TWI_INTEGRATION_TESTS_CONTAINERS_HELD_WIT_H_
#define TWI_INTEGRATION_TESTS_CONTAINERS_HELD_WIT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"

namespace twi::containers {

// Checks: typ wit+jwt, signed by a wit-svid key of the SPIFFE bundle `bundle`; cnf.jwk is `key`, the public half of the
// workload's; sub is `identifier`, the certificate's URI SAN (WIT-SVID; wimse-workload-creds). Returns exp, which may
// have passed: the caller compares.
absl::StatusOr<absl::Time> VerifyHeldWit(const std::string& wit, const std::string& bundle,
                                         const crypto::PublicKey& key, const std::string& identifier);

}  // namespace twi::containers

#endif  // TWI_INTEGRATION_TESTS_CONTAINERS_HELD_WIT_H_
