// The relying party's side: what it trusts, and the appraisal of one peer's Evidence.
#ifndef TWI_COMMON_ATTESTED_TLS_RELYING_PARTY_H_
#define TWI_COMMON_ATTESTED_TLS_RELYING_PARTY_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/attestation_results/attestation_results.h"
#include "common/attested_tls/code_points.h"
#include "common/attested_tls/verifier_sessions.h"
#include "common/jose/jwk.h"
#include "common/time/clock.h"

namespace twi::atls {

// Who the peer is proven to be.
struct AttestedPeer {
  Profile profile = Profile::kSession;
  Role role = Role::kServer;
  std::string key_sha256;  // of its leaf's key, 32 bytes
  AttestationResults results;
  std::string results_jws;          // as the Verifier signed them
  std::string workload_identifier;  // when `accept` had the results mapped
  // Every check on the peer of an open connection, in words. `accept` sees it before CertificateVerify is verified in
  // profile handshake; nobody else does before all of them were made.
  std::vector<std::string> checks;
};

struct RelyingParty {
  using Keyset = std::shared_ptr<const jose::JwkSet>;
  std::shared_ptr<VerifierSessions> verifier;
  // The Verifier's keys, from pinned configuration or an authenticated channel to it (client::KeySource), never from
  // the results or the peer.
  std::function<absl::StatusOr<Keyset>(absl::string_view kid, absl::Time deadline)> results_keys;
  std::string verifier_id;  // `iss` of the results
  std::string rp_id;        // our own: `aud` of the results, and bound into the Evidence
  // The policy on whom to accept, over results that are already validated. Required; may block until the deadline (a
  // Claims Mapper is asked). Thread-safe. ATTESTED_TLS_PEER_NOT_ALLOWED.
  std::function<absl::Status(AttestedPeer& peer, absl::Time deadline)> accept;
};

// What is to be appraised: as received, on this connection.
struct ReceivedEvidence {
  Profile profile;
  Role role;                   // of the side that attests
  std::string leaf_spki;       // of the certificate that the peer proved in this handshake
  std::string exporter;        // 32 bytes; empty in profile handshake
  std::string own_key_sha256;  // of our leaf; zeros when we have none; empty in profile handshake
  std::string media_type;
  std::string evidence;
};

// Submits the Evidence to the session and validates what comes back; blocks until `deadline` at most. If this returns
// OK:
//   - the Verifier accepts the Evidence, which is bound to the session's nonce, this relying party, the peer's role
//     and leaf and (profile session) this very connection: the binding is recomputed here, and compared by the Verifier
//     (BINDING_MISMATCH) and again with the value that the results report;
//   - the results are of this session (ATTESTED_TLS_STALE_NONCE) and of the peer's role (ATTESTED_TLS_WRONG_ROLE);
//   - the results are signed by a key of the Verifier, issued by it, for us, now, affirming (RESULTS_...);
//   - they name the leaf's key and no other (RESULTS_KEY_MISMATCH, RESULTS_WRONG_CHANNEL);
//   - `accept` accepts the peer.
absl::StatusOr<AttestedPeer> AppraisePeer(const RelyingParty& self, const VerifierSession& session,
                                          const ReceivedEvidence& received, const Clock& clock, absl::Time deadline);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_RELYING_PARTY_H_
