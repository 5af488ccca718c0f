// Mechanism D, acquisition, at the Key Store: Attestation Results in, a Credential Key sealed to the attested key out.
// The whole sequence: services/workload_agent/mechanism_d.h.
#ifndef TWI_SERVICES_KEY_STORE_RELEASE_KEY_H_
#define TWI_SERVICES_KEY_STORE_RELEASE_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/server/peer_identity.h"
#include "proto/twi/v1/key_store.pb.h"
#include "services/key_store/key_store_deps.h"

namespace twi::key_store {

// Returns the sealed key (common/sealed_key). `peer` is who the channel says calls, `deadline` bounds the fetch of the
// Verifier's keys. Checks, in this order:
//   - the request's form                                                              REQUEST_MALFORMED
//   - the Attestation Results: signed by the configured Verifier, for us, affirming, in time   RESULTS_*
//   - bound to this request: our own rp_id, nonce, target, the reported binding       BINDING_MISMATCH
//   - made for a workload on this very TLS key                                        RESULTS_WRONG_CHANNEL
//   - the encryption key in hand is an X25519 key and the one that they name          RESULTS_KEY_MISMATCH
//   - the key exists, and was made for that target                                    KEY_UNKNOWN, TARGET_NOT_ALLOWED
//   - its release policy holds                                                        RELEASE_POLICY_REFUSED
//   - the results opened no key before; recorded, durably                             RESULTS_REPLAYED, STORAGE_FAILED
// Every refusal is recorded too, before it is returned; STORAGE_FAILED replaces one that cannot be.
absl::StatusOr<std::string> ReleaseKey(const KeyStoreDeps& deps, const v1::ReleaseKeyRequest& request,
                                       const server::PeerIdentity& peer, absl::Time deadline);

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_RELEASE_KEY_H_
