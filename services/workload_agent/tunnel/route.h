// One configured tunnel, ready to carry connections; and the check of the whole attested_tls section.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_ROUTE_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_ROUTE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/attested_tls/attester.h"
#include "common/attested_tls/endpoint.h"
#include "common/attested_tls/workers.h"
#include "common/metrics/metrics.h"
#include "common/server/metrics.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/attested_tls.pb.h"
#include "services/workload_agent/tunnel/address.h"
#include "services/workload_agent/tunnel/trust.h"

namespace twi::agent {

// What --check-config says of the section. CONFIG_INVALID; touches no file and no network.
absl::Status ValidateAttestedTls(const config::v1::AttestedTls& config);
// "session", "handshake"; none: session alone. CONFIG_INVALID.
absl::StatusOr<std::vector<atls::Profile>> ParseProfiles(const google::protobuf::RepeatedPtrField<std::string>& names,
                                                         const std::string& field);

struct Route {
  bool ingress = true;
  std::string name;
  std::string listen;   // as in the config
  Address address;      // of `listen`
  Address forward;      // ingress: the workload
  std::string connect;  // egress: HOST:PORT of the peer
  std::size_t max_connections = 0;
  absl::Duration handshake_timeout, idle_timeout;
  // Egress: the addresses of `connect` when it is numeric; else it is resolved for each connection, on threads of this
  // tunnel's own, so that a name that does not resolve delays nobody else.
  std::vector<Address> peers;
  Resolver resolve;
  std::shared_ptr<atls::Workers> resolve_workers;
  const Clock* clock = nullptr;
  std::unique_ptr<atls::Endpoint> endpoint;
  std::shared_ptr<server::RpcMetrics> outcomes;
};

struct RouteDeps {
  std::shared_ptr<const atls::Attester> attester;
  std::shared_ptr<atls::Workers> attester_workers, verifier_workers;
  metrics::Metrics& metrics;
  const Clock& clock;
};

// `config` is validated. Reads the certificate files of relying_party; makes no socket. CONFIG_INVALID.
absl::StatusOr<std::vector<std::shared_ptr<const Route>>> MakeRoutes(const config::v1::AttestedTls& config,
                                                                     const RouteDeps& deps);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_ROUTE_H_
