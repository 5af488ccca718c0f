// A gRPC server as every daemon runs it: TLS 1.3 with both sides authenticated, allow-lists, limits, health, drain.
#ifndef TWI_COMMON_SERVER_SERVER_H_
#define TWI_COMMON_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/metrics/metrics.h"
#include "common/server/peer_identity.h"
#include "common/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/service_type.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

// What an RPC's body is given: who called (already on the allow-list of this RPC) and until when it may work.
struct Call {
  PeerIdentity peer;
  absl::Time deadline;
};

// Decides who may call what; shared by all services of a server. Thread-safe.
class Gate {
 public:
  virtual ~Gate() = default;
  // Admits the caller of `rpc` ("MapClaims"): PEER_UNAUTHENTICATED, PEER_NOT_ALLOWED, REQUEST_MALFORMED,
  // REQUEST_TOO_LARGE (check_request.h), OVERLOADED, DEADLINE_EXCEEDED.
  // The ticket counts the request as in flight until it is destroyed.
  struct Ticket {
    Call call;
    std::shared_ptr<void> in_flight;
  };
  virtual absl::StatusOr<Ticket> Admit(const grpc::ServerContext& context, absl::string_view rpc) = 0;
  // The one place where a Status becomes a wire code (style H5): logs one audit line with reason and detail, counts the
  // outcome in the metrics, and gives the peer only the reason's name, as message and as google.rpc.ErrorInfo {reason,
  // domain "twi"} in the status details. OK stays OK (and is counted). `peer` null: the one of the channel, when it is
  // known. `took` goes into the latency histogram.
  virtual grpc::Status Finish(const grpc::ServerContext& context, absl::string_view rpc, const PeerIdentity* peer,
                              const absl::Status& status, absl::Duration took) = 0;
};

// Runs one unary RPC behind the gate. Every method of every service class is one line of this:
// An exception that leaves `body` is a broken invariant: logged, and refused as INTERNAL.
//   return Handle(*gate_, *context, "MapClaims", [&](const Call& call) { return MapClaims(call, *request, *response);
//   });
grpc::Status Handle(Gate& gate, const grpc::ServerContext& context, absl::string_view rpc,
                    const std::function<absl::Status(const Call&)>& body);

// A service and its name in the proto: v1::ClaimsMapper::service_full_name(). The name finds the methods, which `allow`
// must name.
struct NamedService {
  std::unique_ptr<grpc::Service> service;
  std::string full_name;
};

// The services of a daemon that has one: `make` gives it for the gate.
//   Server::Start(..., OneService(v1::ClaimsMapper::service_full_name(),
//                                 [this](Gate& gate) { return std::make_unique<ClaimsMapperService>(gate, *deps_); }));
using MakeService = std::function<std::unique_ptr<grpc::Service>(Gate&)>;
std::function<std::vector<NamedService>(Gate&)> OneService(std::string full_name, MakeService make);

// What a daemon knows of its own health beyond what its server knows (draining, the certificate). Asked by health
// probes only (common/server/health.h); OK, or why not, for the operator. Thread-safe, bounded by the store's own
// speed.
struct HealthChecks {
  std::function<absl::Status()> ready;    // store reachable, keys there, credential valid; empty: nothing more
  std::function<absl::Status()> started;  // empty: started as soon as it listens
};

class Server {
 public:
  // `config` is validated: missing tls, unknown rpc names in allow (not a method of `services`), bad listen, over-large
  // limits are CONFIG_INVALID. The services are constructed by `make_services` with the gate that the server owns. On a
  // Unix socket (listen "unix:/path") there is no TLS: `tls` must be unset and every peer in `allow` the same "uid:N";
  // the kernel says who connects (SO_PEERCRED), and another user's connection is closed at once. `clock` must outlive
  // the server.
  using MakeServices = std::function<std::vector<NamedService>(Gate&)>;
  // Every server also answers grpc.health.v1.Health/Check, which config's `allow` names "Check". `metrics` is where it
  // counts, and what it serves when config says so; it must outlive the server. Null: its own. `field`: where `config`
  // stands in the daemon's config, for errors; empty: its fields stand there themselves.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const config::v1::Server& config, const Clock& clock,
                                                       const MakeServices& make_services, HealthChecks health = {},
                                                       metrics::Metrics* metrics = nullptr,
                                                       const std::string& field = "server");
  virtual ~Server() = default;
  // The bound port (when listen had port 0) or 0 for a Unix socket.
  virtual int port() const = 0;
  // Readiness goes NOT_SERVING, no new request is taken, those in flight finish or are cut at drain_timeout.
  // Idempotent.
  virtual void Drain() = 0;
  virtual Gate& gate() = 0;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_SERVER_H_
