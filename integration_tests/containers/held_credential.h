// What a workload finds in its credential directory (services/workload_agent/credential_directory.h), looked at as a
// peer would.
#ifndef TWI_INTEGRATION_TESTS_CONTAINERS_HELD_CREDENTIAL_H_
#define TWI_INTEGRATION_TESTS_CONTAINERS_HELD_CREDENTIAL_H_

#include <string>

#include "absl/time/time.h"

namespace twi::containers {

struct HeldCredential {
  // "none": no credential is there; "valid"; "expired"; "broken": key and certificate do not fit, the chain does not
  // end at the bundle, or it is not valid yet.
  std::string state = "none";
  std::string detail;     // why it is broken
  std::string serial;     // hex
  std::string spiffe_id;  // of the leaf
  absl::Time not_after = absl::InfinitePast();
};

// The folder of the version in force: its files belong together, and are gone some time after the next one is
// installed. Empty when there is none.
std::string VersionInForce(const std::string& directory);

// Reads key.pem, chain.pem and bundle.pem of one version. Checks: the key is the leaf's; the leaf has one URI SAN; leaf
// -> anchor of the bundle, valid at `now` (RFC 5280).
HeldCredential LookAtCredential(const std::string& directory, absl::Time now);

}  // namespace twi::containers

#endif  // TWI_INTEGRATION_TESTS_CONTAINERS_HELD_CREDENTIAL_H_
