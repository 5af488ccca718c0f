// HTTPS calls to one peer service: what common/client's channel is for gRPC. libcurl inside.
#ifndef TWI_COMMON_HTTP_CLIENT_H_
#define TWI_COMMON_HTTP_CLIENT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::http {

struct ClientRequest {
  std::string method = "GET";  // GET, POST, DELETE
  std::string path;            // with the query: "/a?b=c"; begins with '/', visible ASCII
  std::string content_type;    // of the body; empty: no body
  std::string body;
  std::string accept;                     // Accept header; empty: none
  std::size_t max_response = 256 * 1024;  // bytes of the answer's body; more is DEPENDENCY_UNAVAILABLE
};

struct ClientResponse {
  int status = 0;
  std::string content_type;  // as sent
  std::string location;
  std::string body;
};

// Thread-safe; a call blocks its thread.
class Client {
 public:
  // `tls`: our certificate, key and trust bundle, re-read when they change. `peer`: address "HOST:PORT" and the SPIFFE
  // ID that its certificate must carry, checked as gRPC peers are (common/server/verify_peer.h); the address says
  // nothing about who answers. CONFIG_INVALID. `clock` must outlive the client.
  static absl::StatusOr<std::unique_ptr<Client>> Make(const config::v1::Peer& peer, const config::v1::Tls& tls,
                                                      const Clock& clock);
  virtual ~Client() = default;
  // TLS 1.3 only, no redirects followed, no proxy, no cookies, no compression. A connection is kept for a few seconds,
  // for the next call. When a kept one breaks before the answer, a GET is sent again over a new one; a POST or DELETE,
  // which may have been done already, never is. Any HTTP status is an answer. The call ends at `deadline`, at most
  // peer.timeout from now, and carries the trace of this thread (common/trace). SERVER_UNAUTHENTICATED and
  // SERVER_IDENTITY_MISMATCH (the answering side is not the peer; it was sent nothing), DEADLINE_EXCEEDED,
  // DEPENDENCY_UNAVAILABLE, REQUEST_MALFORMED (of our own).
  virtual absl::StatusOr<ClientResponse> Send(const ClientRequest& request, absl::Time deadline) = 0;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_CLIENT_H_
