// The agent's own TLS certificates: platform_certificate, and the relying party's of attested TLS. With attested_key
// there is none that could end unnoticed: each attempt makes its own.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_OWN_CERTIFICATES_H_
#define TWI_SERVICES_WORKLOAD_AGENT_OWN_CERTIFICATES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/twi/config/v1/workload_agent.pb.h"

namespace twi::agent {

std::vector<std::string> OwnCertificateFiles(const config::v1::WorkloadAgentConfig& config);

// When the first of the files' leaves (the first certificate in PEM or DER) ends, as the files are now: whoever uses
// them takes what is new within a second. 1970 when one cannot be read: for an alert that is an end that has passed.
absl::Time FirstEnd(const std::vector<std::string>& files);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_OWN_CERTIFICATES_H_
