// Who is at the other end of a TLS connection: a decision over certificates, without any state. Used by both sides.
#ifndef TWI_COMMON_SERVER_VERIFY_PEER_H_
#define TWI_COMMON_SERVER_VERIFY_PEER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/x509.h"
#include "common/server/peer_identity.h"

namespace twi::server {

enum class PeerRole { kClient, kServer };  // which extended key usage its certificate needs

struct VerifyPeerOptions {
  PeerRole role = PeerRole::kClient;
  bool allow_attested_key = false;
  absl::Time now;
};

struct VerifiedPeer {
  PeerIdentity identity;
  absl::Time not_after;  // the first end of validity in the path: after it the peer is nobody
};

// `leaf_pem` must be the certificate whose key TLS proved possession of; `chain_pem` what else the peer sent (it may
// repeat the leaf). Either
//   kSpiffeId: the leaf has exactly one URI SAN and it is a SPIFFE ID; it is no CA and may sign (X509-SVID section 4,
//   keyUsage); its extended key usage, when
//     present, has the role or any; a path to an anchor exists in which everything is valid now (crypto::BuildPath);
//   kAttestedKey (when allowed): nothing but one certificate, without a URI SAN, issued and signed by itself, valid
//   now. It says nothing but the key.
// PEER_UNAUTHENTICATED with the whole story otherwise.
absl::StatusOr<VerifiedPeer> VerifyPeer(absl::string_view leaf_pem, absl::string_view chain_pem,
                                        const std::vector<crypto::Certificate>& anchors,
                                        const VerifyPeerOptions& options);

// The one SPIFFE ID of a certificate, or why there is none. CERTIFICATE_MALFORMED.
absl::StatusOr<std::string> SpiffeIdOf(const crypto::Certificate& certificate);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_VERIFY_PEER_H_
