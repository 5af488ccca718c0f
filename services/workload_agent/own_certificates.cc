#include "services/workload_agent/own_certificates.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/status/status_macros.h"

namespace twi::agent {

absl::StatusOr<std::unique_ptr<OwnCertificates>> OwnCertificates::Watch(const config::v1::WorkloadAgentConfig& config,
                                                                        const Clock& clock) {
  std::vector<std::pair<std::string, config::v1::Tls>> wanted;
  if (config.has_platform_certificate()) wanted.emplace_back("platform_certificate", config.platform_certificate());
  if (config.attested_tls().has_relying_party())
    wanted.emplace_back("attested_tls.relying_party.tls", config.attested_tls().relying_party().tls());
  auto own = std::make_unique<OwnCertificates>();
  for (const auto& [field, tls] : wanted) {
    server::TlsFiles::Options options;
    options.field = field;
    TWI_ASSIGN_OR_RETURN(std::unique_ptr<server::TlsFiles> files, server::TlsFiles::Open(tls, clock, options));
    own->files_.push_back(std::move(files));
  }
  return own;
}

absl::Time OwnCertificates::FirstEnd() const {
  absl::Time first = absl::InfiniteFuture();
  for (const auto& files : files_) first = std::min(first, files->not_after());
  return first;
}

void OwnCertificates::Refresh() {
  for (const auto& files : files_) files->Refresh();
}

}  // namespace twi::agent
