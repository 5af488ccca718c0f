#include "services/workload_agent/provisioned_credential.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {

absl::StatusOr<v1::WorkloadCredential> CredentialFromPem(absl::string_view pem, absl::string_view name) {
  const auto chain = crypto::ParseCertificates(pem);
  if (!chain.ok()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(name, ": ", chain.status().message()));
  if (chain->empty()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(name, ": no certificate"));
  v1::WorkloadCredential credential;
  for (const crypto::Certificate& certificate : *chain) credential.add_x509_chain(certificate.der);
  return credential;
}

absl::StatusOr<std::string> WitFromText(absl::string_view text, absl::string_view name) {
  std::string wit(absl::StripAsciiWhitespace(text));
  if (wit.empty()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(name, ": no WIT"));
  return wit;
}

absl::StatusOr<v1::WorkloadCredential> ReadProvisionedCredential(const config::v1::ProvisionedKey& config) {
  config::ReadFileOptions
      any_writer;  // the content is public and is matched with the released key: who may write the file does not matter
  any_writer.forbidden_mode = 0;
  TWI_ASSIGN_OR_RETURN(const std::string pem, config::ReadFile(config.credential_file(), any_writer));
  TWI_ASSIGN_OR_RETURN(v1::WorkloadCredential credential, CredentialFromPem(pem, config.credential_file()));
  if (config.wit_file().empty()) return credential;
  TWI_ASSIGN_OR_RETURN(const std::string wit, config::ReadFile(config.wit_file(), any_writer));
  TWI_ASSIGN_OR_RETURN(*credential.mutable_wit(), WitFromText(wit, config.wit_file()));
  // The bundle is trust, not content: it stays with the default check of its writers.
  TWI_ASSIGN_OR_RETURN(*credential.mutable_wit_bundle(), config::ReadFile(config.wit_bundle_file(), {}));
  return credential;
}

}  // namespace twi::agent
