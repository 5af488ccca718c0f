// Where a server's idea of its peers comes from: verified at the handshake, asked at each RPC.
#ifndef TWI_COMMON_SERVER_PEER_SOURCE_H_
#define TWI_COMMON_SERVER_PEER_SOURCE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/metrics/metrics.h"
#include "common/server/peer_cache.h"
#include "common/server/tls_files.h"
#include "common/time/clock.h"
#include "grpcpp/grpcpp.h"

namespace twi::server {

// Thread-safe.
class PeerSource {
 public:
  virtual ~PeerSource() = default;
  // The peer of this request, valid now. PEER_UNAUTHENTICATED.
  virtual absl::StatusOr<PeerIdentity> PeerOf(const grpc::ServerContext& context) = 0;
};

class TlsPeerSource final : public PeerSource {
 public:
  TlsPeerSource(std::shared_ptr<TlsFiles> files, const Clock& clock, bool allow_attested_key)
      : files_(std::move(files)), clock_(clock), allow_attested_key_(allow_attested_key) {}

  absl::StatusOr<PeerIdentity> PeerOf(const grpc::ServerContext& context) override;
  // From the cache, else validated against the bundle in force. The cache holds what was valid under this bundle; the
  // end of validity is compared each time.
  absl::StatusOr<VerifiedPeer> Verify(absl::string_view leaf_pem, absl::string_view chain_pem);

 private:
  const std::shared_ptr<TlsFiles> files_;
  const Clock& clock_;
  const bool allow_attested_key_;
  PeerCache cache_;
};

// mTLS credentials that let in only peers that `peers` verifies; all others are refused in the handshake, and counted.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsFiles& files,
                                                               std::shared_ptr<TlsPeerSource> peers,
                                                               metrics::Counter refused);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_PEER_SOURCE_H_
