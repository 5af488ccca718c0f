// The HTTPS server of a daemon: what twi::server::Server is for gRPC. The only room with an HTTP library.
//
// The library is Boost.Beast over Asio (Debian's, headers only) because what we need from one is control over every
// stage of a connection, and there it is code of ours: a deadline each for the handshake, a header, a body and an
// answer (a client that sends a byte a second is as slow as one that sends none: libmicrohttpd's and civetweb's
// timeouts start anew with each byte), a body limit by route that is checked before the body is read, refusals that
// still get an answer. A waiting connection costs memory and no thread (civetweb: a thread each). TLS is the OpenSSL
// that gRPC loads anyway, with our own verification of client certificates (libmicrohttpd would bring GnuTLS, a third
// TLS library in one process). Its cost is compile time, in connection.cc and server.cc alone.
#ifndef TWI_COMMON_HTTP_SERVER_H_
#define TWI_COMMON_HTTP_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/http/admission.h"
#include "common/http/message.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::http {

class Server {
 public:
  struct Options {
    std::string section;  // where `config` stands in the daemon's config, for errors: "rest"
    OnOutcome on_outcome;
  };
  // TLS 1.3 with the certificate of config.tls, re-read when its files change; client certificates by the same checks
  // as gRPC's (tls_context.h), and judged again at each request. Bounds: connections, header 16 KiB, body by route (so
  // memory: a body per connection), requests at work, time by stage. Refusals: problem.h. A request belongs to the
  // trace that its traceparent header names, else to a new one (common/trace). CONFIG_INVALID. `clock` must outlive the
  // server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const config::v1::Http& config, const Clock& clock,
                                                       std::vector<Route> routes, const Options& options);
  virtual ~Server() = default;  // drains
  virtual int port() const = 0;
  // No new connection, idle ones end, requests in flight are answered or cut at drain_timeout. Idempotent. Not from a
  // handler.
  virtual void Drain() = 0;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_SERVER_H_
