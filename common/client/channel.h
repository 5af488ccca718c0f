// Channels to peer services: mTLS 1.3, the peer's SPIFFE ID checked, credentials reloaded when files change, deadlines
// propagated.
#ifndef TWI_COMMON_CLIENT_CHANNEL_H_
#define TWI_COMMON_CLIENT_CHANNEL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "grpcpp/grpcpp.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::client {

// Our side of the channel: certificate files (services, platform_certificate), or a fresh self-signed certificate
// (attested_key).
class Identity {
 public:
  static absl::StatusOr<std::shared_ptr<Identity>> FromFiles(const config::v1::Tls& tls);
  // New P-256 key and self-signed certificate, valid a day around `now`, held in memory only. Trusts
  // `trust_bundle_file`.
  static absl::StatusOr<std::shared_ptr<Identity>> AttestedKey(const std::string& trust_bundle_file, absl::Time now);
  virtual ~Identity() = default;
  // SHA-256 of our TLS public key (SubjectPublicKeyInfo), 32 bytes, as of the last load.
  virtual std::string key_sha256() const = 0;
  virtual std::shared_ptr<grpc::ChannelCredentials> ForPeer(const std::string& peer_spiffe_id) const = 0;
};

// One open channel, kept; reconnects by itself. `peer` is validated (CONFIG_INVALID).
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const config::v1::Peer& peer, const Identity& identity);

// Turns what a call returned into our Status: the ErrorInfo's reason when domain is "twi"; SERVER_UNAUTHENTICATED and
// SERVER_IDENTITY_MISMATCH (with the expected and the seen SPIFFE ID) when we refused the server's certificate; other
// UNAVAILABLE and DEADLINE_EXCEEDED become DEPENDENCY_UNAVAILABLE / DEADLINE_EXCEEDED; what gRPC itself refuses is
// REQUEST_TOO_LARGE (a message over its limit, on either side) or OVERLOADED (its memory is used up); anything else
// DEPENDENCY_UNAVAILABLE with the peer's words. `what` names the call in the detail.
absl::Status FromGrpc(const grpc::Status& status, absl::string_view what);

// Deadline for a call to a peer: now + peer.timeout, but not after `caller_deadline`.
void SetDeadline(grpc::ClientContext& context, const config::v1::Peer& peer, absl::Time caller_deadline,
                 absl::Time now);

// Repeats `call` on DEPENDENCY_UNAVAILABLE only: at most `attempts`, with jittered waits that end before `deadline`.
// Only for calls that are safe to repeat (NewChallenge, key and bundle fetches); never for a refusal.
absl::Status RetryUnavailable(int attempts, absl::Time deadline, const std::function<absl::Status()>& call);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_CHANNEL_H_
