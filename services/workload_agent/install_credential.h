// An acquired credential as files: key.pem (PKCS#8), chain.pem (leaf first), bundle.pem (the operator's anchors), and
// with a WIT wit.jwt and wit-bundle.json (the keys that it was validated against: wit_bundle.h).
#ifndef TWI_SERVICES_WORKLOAD_AGENT_INSTALL_CREDENTIAL_H_
#define TWI_SERVICES_WORKLOAD_AGENT_INSTALL_CREDENTIAL_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/credential_directory.h"

namespace twi::agent {

// `anchors`: from credential_trust_bundle_file. What the issuer sends as its X.509 bundle is not installed: the
// workload trusts what its operator configured.
std::vector<CredentialFile> CredentialFiles(const AcquiredCredential& acquired,
                                            const std::vector<crypto::Certificate>& anchors);

// When the credential in `directory` ends, which a predecessor left: the earlier of its two forms' ends. Nothing: there
// is none. What cannot be read has no end to wait for: the infinite past.
absl::optional<absl::Time> EndOfInstalled(const std::string& directory);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_INSTALL_CREDENTIAL_H_
