#include "services/workload_agent/install_credential.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/validate_credential.h"

namespace twi::agent {
namespace {

absl::StatusOr<absl::Time> EndOfChain(const std::string& path) {
  TWI_ASSIGN_OR_RETURN(const std::string pem, config::ReadFile(path, {}));
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> chain, crypto::ParseCertificates(pem));
  return chain.empty() ? absl::InfinitePast() : chain.front().not_after;
}

absl::StatusOr<absl::Time> EndOf(const std::string& wit_file) {
  TWI_ASSIGN_OR_RETURN(const std::string wit, config::ReadFile(wit_file, {}));
  return EndOfWit(wit);
}

}  // namespace

std::vector<CredentialFile> CredentialFiles(const AcquiredCredential& acquired,
                                            const std::vector<crypto::Certificate>& anchors) {
  std::string chain, bundle;
  for (const std::string& der : acquired.credential.x509_chain()) chain += crypto::CertificateToPem(der);
  for (const crypto::Certificate& anchor : anchors) bundle += crypto::CertificateToPem(anchor.der);
  std::vector<CredentialFile> files;
  files.push_back({"key.pem", acquired.key.ToPem()});
  files.push_back({"chain.pem", SecretBytes::CopyOf(chain)});
  files.push_back({"bundle.pem", SecretBytes::CopyOf(bundle)});
  if (!acquired.credential.wit().empty()) {
    files.push_back({"wit.jwt", SecretBytes::CopyOf(acquired.credential.wit())});
    files.push_back({"wit-bundle.json", SecretBytes::CopyOf(acquired.wit_bundle)});
  }
  return files;
}

absl::optional<absl::Time> EndOfInstalled(const std::string& directory) {
  const std::string chain_file = directory + "/chain.pem", wit_file = directory + "/wit.jwt";
  if (::access(chain_file.c_str(), F_OK) != 0) return absl::nullopt;
  const absl::Time end = EndOfChain(chain_file).value_or(absl::InfinitePast());
  return ::access(wit_file.c_str(), F_OK) != 0 ? end : std::min(end, EndOf(wit_file).value_or(absl::InfinitePast()));
}

}  // namespace twi::agent
