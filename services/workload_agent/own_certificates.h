// The agent's own TLS certificates: platform_certificate, and the relying party's of attested TLS. With attested_key
// there is none that could end unnoticed: each attempt makes its own.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_OWN_CERTIFICATES_H_
#define TWI_SERVICES_WORKLOAD_AGENT_OWN_CERTIFICATES_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/server/tls_files.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/workload_agent.pb.h"

namespace twi::agent {

// Watches the files of the config as those do who use them: a certificate that does not fit its key is not in force.
class OwnCertificates {
 public:
  // CONFIG_INVALID as server::TlsFiles. `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<OwnCertificates>> Watch(const config::v1::WorkloadAgentConfig& config,
                                                                const Clock& clock);
  bool empty() const { return files_.empty(); }
  absl::Time FirstEnd() const;  // of the leaves in force; there must be one. Thread-safe.
  void Refresh();               // one turn of the watch, for tests

 private:
  std::vector<std::unique_ptr<server::TlsFiles>> files_;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_OWN_CERTIFICATES_H_
