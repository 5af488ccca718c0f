// What the agent's and twictl's attested TLS trusts: the Verifier, its keys, the Claims Mapper, the policy on whom to
// accept; from config to atls::RelyingParty.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TRUST_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TRUST_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/attested_tls/relying_party.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/attested_tls.pb.h"

namespace twi::agent {

// CONFIG_INVALID, without touching files or the network. `field` is what errors call the section.
absl::Status ValidateRelyingParty(const config::v1::AttestedTlsRelyingParty& config, const std::string& field);
// The conditions compile; identifiers only with a Claims Mapper.
absl::Status ValidatePeerPolicy(const config::v1::AttestedTlsPeerPolicy& policy, bool has_claims_mapper,
                                const std::string& field);

// The clients and keys of one relying_party section; shared by its tunnels. Thread-safe.
class Trust {
 public:
  // `config` is validated. Certificate files are read, and re-read when they change; nobody is asked yet. `clock` must
  // outlive it.
  static absl::StatusOr<std::shared_ptr<Trust>> Make(const config::v1::AttestedTlsRelyingParty& config,
                                                     const Clock& clock);
  virtual ~Trust() = default;
  // `policy` is validated. The result keeps this Trust.
  virtual absl::StatusOr<std::shared_ptr<const atls::RelyingParty>> RelyingPartyFor(
      const config::v1::AttestedTlsPeerPolicy& policy) = 0;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TRUST_H_
