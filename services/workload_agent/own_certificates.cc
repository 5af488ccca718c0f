#include "services/workload_agent/own_certificates.h"

#include <algorithm>

#include "common/config/read_file.h"
#include "common/crypto/x509.h"

namespace twi::agent {
namespace {

absl::Time EndOf(const std::string& file) {
  const absl::StatusOr<std::string> bytes = config::ReadFile(file, {});
  if (!bytes.ok()) return absl::UnixEpoch();
  const absl::StatusOr<std::vector<crypto::Certificate>> chain = crypto::ParseCertificates(*bytes);
  return chain.ok() && !chain->empty() ? chain->front().not_after : absl::UnixEpoch();
}

}  // namespace

std::vector<std::string> OwnCertificateFiles(const config::v1::WorkloadAgentConfig& config) {
  std::vector<std::string> files;
  if (config.has_platform_certificate()) files.push_back(config.platform_certificate().certificate_file());
  if (config.attested_tls().has_relying_party())
    files.push_back(config.attested_tls().relying_party().tls().certificate_file());
  return files;
}

absl::Time FirstEnd(const std::vector<std::string>& files) {
  absl::Time first = absl::InfiniteFuture();
  for (const std::string& file : files) first = std::min(first, EndOf(file));
  return first;
}

}  // namespace twi::agent
