// What a workload finds in its credential directory (services/workload_agent/credential_directory.h), looked at as a
// peer would.
#ifndef TWI_INTEGRATION_TESTS_CONTAINERS_HELD_CREDENTIAL_H_
#define TWI_INTEGRATION_TESTS_CONTAINERS_HELD_CREDENTIAL_H_

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace twi::containers {

struct HeldCredential {
  // "none": no credential is there; "valid"; "expired": its chain or its WIT; "broken": key and certificate do not fit,
  // the chain does not end at the bundle or is not valid yet, or the WIT is not right.
  std::string state = "none";
  std::string detail;                           // why it is broken; of an expired one, that it is the WIT alone
  std::string serial;                           // hex
  std::string spiffe_id;                        // of the leaf
  absl::Time not_after = absl::InfinitePast();  // of the leaf, which is what counts for mutual TLS
  std::optional<absl::Time> wit_not_after;      // there is a WIT, and it is right but for its time
};

// The folder of the version in force: its files belong together, and are gone some time after the next one is
// installed. Empty when there is none.
std::string VersionInForce(const std::string& directory);

// Reads key.pem, chain.pem and bundle.pem of one version, and wit.jwt and wit-bundle.json where it has them. Checks:
// the key is the leaf's; the leaf has one URI SAN; leaf -> anchor of the bundle, valid at `now` (RFC 5280); the WIT is
// signed by a key of its bundle, for the same key and identifier (held_wit.h), and not over at `now`. Of the WIT and
// its bundle one without the other is broken. Neither is valid: not every workload has a WIT, and whether this one was
// to have one its agent's config knows, not the folder. Who does know it looks at `wit_not_after`.
// `anchors_file`: the chain must end at one of these anchors too, which the agent has not written; empty: at the
// bundle's alone.
HeldCredential LookAtCredential(const std::string& directory, const std::string& anchors_file, absl::Time now);

}  // namespace twi::containers

#endif  // TWI_INTEGRATION_TESTS_CONTAINERS_HELD_CREDENTIAL_H_
