// --probe: a daemon's binary asks the running daemon of the same config how it is, for images that hold no shell.
#ifndef TWI_COMMON_SERVER_PROBE_H_
#define TWI_COMMON_SERVER_PROBE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

// A probe that is not answered within this is a failed one. An orchestrator's own timeout should be longer.
constexpr absl::Duration kProbeTimeout = absl::Seconds(4);

struct ProbeResult {
  bool good = false;
  std::string line;  // one line for the operator: "ready", or "not ready: STORAGE_FAILED: ..."
};

// Asks grpc.health.v1 at the address where `server` says that the daemon listens (the wildcard address: on loopback)
// for the service `question`: "live", "ready" or "started". `port`: instead of port 0. Over TLS the probe presents the
// daemon's own certificate, and expects the same SPIFFE ID to answer; on a Unix socket the kernel names the user.
// Nothing is good but an answer SERVING, with one exception: `live` is also good when no credential of the daemon is
// fit for asking (expired, replaced by a bad file) or it turns the handshake down, but something at the address
// completes its own half of a TLS 1.3 handshake, because no restart would mend that.
ProbeResult Probe(const config::v1::Server& server, int port, absl::string_view question,
                  absl::Duration timeout = kProbeTimeout);

// The field `server` of a daemon's config. CONFIG_INVALID when it is not set or there is none.
absl::StatusOr<config::v1::Server> ServerSectionOf(const google::protobuf::Message& config);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_PROBE_H_
