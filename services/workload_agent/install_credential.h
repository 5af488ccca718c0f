// An acquired credential as files: key.pem (PKCS#8), chain.pem (leaf first), bundle.pem (the operator's anchors), and
// with a WIT wit.jwt and wit-bundle.json.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_INSTALL_CREDENTIAL_H_
#define TWI_SERVICES_WORKLOAD_AGENT_INSTALL_CREDENTIAL_H_

#include <vector>

#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/credential_directory.h"

namespace twi::agent {

// `anchors`: from credential_trust_bundle_file. What the issuer sends as its X.509 bundle is not installed: the
// workload trusts what its operator configured.
std::vector<CredentialFile> CredentialFiles(const AcquiredCredential& acquired,
                                            const std::vector<crypto::Certificate>& anchors);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_INSTALL_CREDENTIAL_H_
