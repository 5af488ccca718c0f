// The agent's attested TLS tunnels: one thread, one epoll, all connections. What blocks runs on workers, so a slow
// Verifier or TPM, or thousands of half-open handshakes, delay nobody else.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNELS_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNELS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/attested_tls/attester.h"
#include "common/crypto/random.h"
#include "common/metrics/metrics.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/attested_tls.pb.h"

namespace twi::agent {

class Tunnels {
 public:
  // `config` is validated (ValidateAttestedTls). Listens when it returns. `make_evidence` is called on workers;
  // `clock`, `random` and `metrics` must outlive the tunnels. CONFIG_INVALID.
  static absl::StatusOr<std::unique_ptr<Tunnels>> Start(const config::v1::AttestedTls& config,
                                                        atls::MakeEvidence make_evidence, const Clock& clock,
                                                        crypto::Random& random, metrics::Metrics& metrics);
  virtual ~Tunnels() = default;  // closes everything

  // All of it takes effect or none (CONFIG_INVALID). Listening sockets of addresses that stay are kept; new connections
  // go by the new config, those that are open stay as they are.
  virtual absl::Status Reload(const config::v1::AttestedTls& config) = 0;
  // Accepts no more, and closes what is open.
  virtual void Drain() = 0;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNELS_H_
