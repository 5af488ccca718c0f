#include "services/workload_agent/install_credential.h"

#include <string>
#include <utility>

#include "common/crypto/x509.h"

namespace twi::agent {

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
    files.push_back({"wit-bundle.json", SecretBytes::CopyOf(acquired.credential.wit_bundle())});
  }
  return files;
}

}  // namespace twi::agent
