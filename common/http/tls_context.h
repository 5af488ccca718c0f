// TLS for HTTPS connections: OpenSSL contexts made from the daemon's certificate files, made anew when those change.
#ifndef TWI_COMMON_HTTP_TLS_CONTEXT_H_
#define TWI_COMMON_HTTP_TLS_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "common/server/peer_source.h"
#include "common/server/tls_files.h"
#include "openssl/ssl.h"
#include "openssl/x509_vfy.h"

namespace twi::http {

// The certificates that a peer presented, PEM; both empty for an anonymous client.
struct PeerCertificate {
  std::string leaf_pem, chain_pem;
};
PeerCertificate PeerCertificateOf(const SSL& ssl);         // after the handshake, on the server's side
PeerCertificate PeerCertificateOf(X509_STORE_CTX& store);  // in the handshake, when they are to be judged

// Contexts: TLS 1.3 only, no tickets, no resumption, no early data, ALPN nothing but http/1.1. A client's certificate
// is judged in the handshake by `peers` (common/server/verify_peer.h: exactly the checks of a gRPC peer) and by nothing
// else; `require_certificate`: a client without one is refused in the handshake. Thread-safe.
class TlsContexts {
 public:
  static absl::StatusOr<std::unique_ptr<TlsContexts>> Make(std::shared_ptr<server::TlsFiles> files,
                                                           std::shared_ptr<server::TlsPeerSource> peers,
                                                           bool require_certificate);
  // For one connection. When the new certificate cannot be used the last good context stays.
  std::shared_ptr<SSL_CTX> Current();

 private:
  TlsContexts(std::shared_ptr<server::TlsFiles> files, std::shared_ptr<server::TlsPeerSource> peers,
              bool require_certificate)
      : files_(std::move(files)), peers_(std::move(peers)), require_certificate_(require_certificate) {}
  absl::StatusOr<std::shared_ptr<SSL_CTX>> Build() const;

  const std::shared_ptr<server::TlsFiles> files_;
  const std::shared_ptr<server::TlsPeerSource> peers_;
  const bool require_certificate_;
  std::mutex mutex_;  // guards the next two
  std::shared_ptr<SSL_CTX> current_;
  std::uint64_t generation_ = 0;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_TLS_CONTEXT_H_
