#include "services/workload_agent/agent_config.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/server/unix_address.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/hook.h"
#include "services/workload_agent/tpm_address.h"
#include "services/workload_agent/tunnel/route.h"
#include "services/workload_agent/validate_credential.h"

namespace twi::agent {
namespace {

using config::v1::WorkloadAgentConfig;

constexpr std::size_t kMaxKeyIdFile = 1024;
constexpr absl::Duration kMaxHookTimeout = absl::Minutes(5);

absl::Status Expected(absl::string_view field, absl::string_view expected) {
  return config::ConfigError("", field, expected);
}

using config::ToDuration;

// What a peer that is there must be, server::CheckCommonSections checks.
absl::Status RequirePeer(bool needed, bool present, absl::string_view field, absl::string_view mechanism) {
  return needed && !present ? Expected(field, absl::StrCat("a peer: mechanism ", mechanism, " needs it"))
                            : absl::OkStatus();
}

absl::Status ValidateChannel(const WorkloadAgentConfig& config) {
  if (config.has_platform_certificate()) {
    if (!config.trust_bundle_file().empty())
      return Expected("trust_bundle_file", "nothing: platform_certificate has its own");
    return absl::OkStatus();
  }
  if (config.trust_bundle_file().empty())
    return Expected("trust_bundle_file", "a PEM file with the anchors of the services' certificates");
  return config::AtField("trust_bundle_file", ReadAnchors(config.trust_bundle_file()).status());
}

absl::Status ValidateAttester(const config::v1::Attester& attester) {
  switch (attester.kind_case()) {
    case config::v1::Attester::kTpm2:
      if (!ParseTpmAddress(attester.tpm2().tcti()).ok()) return Expected("attester.tpm2.tcti", kTpmAddressForm);
      if (attester.tpm2().pcrs().empty()) return Expected("attester.tpm2.pcrs", "at least one PCR");
      return absl::OkStatus();
    case config::v1::Attester::kSevSnp:
      return absl::OkStatus();
    case config::v1::Attester::kInsecureDevSnp:
      if (attester.insecure_dev_snp().chain_directory().empty())
        return Expected("attester.insecure_dev_snp.chain_directory", "a directory of twictl dev-pki");
      if (attester.insecure_dev_snp().image_file().empty())
        return Expected("attester.insecure_dev_snp.image_file", "a file");
      return absl::OkStatus();
    case config::v1::Attester::KIND_NOT_SET:
      break;
  }
  return Expected("attester", "one of tpm2, sev_snp, insecure_dev_snp");
}

absl::Status ValidateProvisioned(const WorkloadAgentConfig& config, bool mechanism_d) {
  if (!mechanism_d)
    return config.has_provisioned() ? Expected("provisioned", "nothing: only mechanism D has a provisioned key")
                                    : absl::OkStatus();
  const config::v1::ProvisionedKey& provisioned = config.provisioned();
  if (provisioned.key_id().empty() == provisioned.key_id_file().empty())
    return Expected("provisioned.key_id", "the key id that the Key Store gave, or key_id_file");
  if (provisioned.credential_file().empty()) return Expected("provisioned.credential_file", "a PEM file");
  if (provisioned.wit_file().empty() != provisioned.wit_bundle_file().empty())
    return Expected("provisioned.wit_bundle_file", "to be set with wit_file, and only then");
  if (!config.credential_wit_bundle_file().empty())
    return Expected("credential_wit_bundle_file", "nothing: in mechanism D provisioned.wit_bundle_file is it");
  if (config.key_type() != config::v1::CREDENTIAL_KEY_ALGORITHM_UNSPECIFIED)
    return Expected("key_type", "nothing: in mechanism D the Key Store made the key");
  return absl::OkStatus();
}

absl::Status ValidateOutput(const config::v1::Output& output) {
  if (output.directory().empty()) return Expected("output.directory", "a directory");
  const std::vector<std::string> hook = HookArguments(output.hook());
  if (!hook.empty() && hook[0][0] != '/')
    return Expected("output.hook", "a program by its absolute path, and its arguments");
  const absl::Duration timeout = ToDuration(output.hook_timeout());
  if (output.has_hook_timeout() && (timeout <= absl::ZeroDuration() || timeout > kMaxHookTimeout))
    return Expected("output.hook_timeout", "more than 0, at most 5m");
  return absl::OkStatus();
}

absl::Status ValidateRenewal(const WorkloadAgentConfig& config) {
  const config::v1::Renewal& renewal = config.renewal();
  if (renewal.at_fraction() != 0 && !(renewal.at_fraction() >= 0.1 && renewal.at_fraction() <= 0.9))
    return Expected("renewal.at_fraction", "0.1..0.9");
  if (!(renewal.jitter() >= 0 && renewal.jitter() <= 0.2)) return Expected("renewal.jitter", "0..0.2");
  const RenewalSettings settings = RenewalOf(config);
  if (settings.at_fraction - settings.jitter <= 0 || settings.at_fraction + settings.jitter >= 1) {
    return Expected("renewal.jitter", "at_fraction +- jitter within the lifetime");
  }
  if (settings.retry_min < absl::Milliseconds(100)) return Expected("renewal.retry_min", "at least 100ms");
  if (settings.retry_max < settings.retry_min) return Expected("renewal.retry_max", "at least retry_min");
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateAgentConfig(const WorkloadAgentConfig& config) {
  const std::string name = MechanismName(config);
  if (name.empty()) return Expected("mechanism", "A, B, C or D");
  const bool b_or_c = name == "B" || name == "C";
  TWI_RETURN_IF_ERROR(ValidateAttester(config.attester()));
  TWI_RETURN_IF_ERROR(ValidateChannel(config));
  TWI_RETURN_IF_ERROR(RequirePeer(true, config.has_verifier(), "verifier", name));
  TWI_RETURN_IF_ERROR(RequirePeer(b_or_c, config.has_credential_authority(), "credential_authority", name));
  TWI_RETURN_IF_ERROR(RequirePeer(name == "D", config.has_key_store(), "key_store", name));
  TWI_RETURN_IF_ERROR(config::ExpectUri(config.rp_id(), "rp_id"));  // Credential Authority (A, B, C), Key Store (D)
  TWI_RETURN_IF_ERROR(config::ExpectUri(config.target(), "target"));
  if (!config.workload_identifier().empty() && !ValidateWorkloadIdentifier(config.workload_identifier()).ok())
    return Expected("workload_identifier", "a SPIFFE ID with a path");
  if (!config.listen().empty() && !server::UnixPathOf(config.listen()).has_value())
    return Expected("listen", absl::StrCat(server::kUnixAddressForm, ": the status service is local only"));
  TWI_RETURN_IF_ERROR(ValidateProvisioned(config, name == "D"));
  if (atls::IsBindingTarget(config.target()))
    return Expected("target", "what a credential is for, not a target of attested TLS");
  TWI_RETURN_IF_ERROR(ValidateOutput(config.output()));
  TWI_RETURN_IF_ERROR(ValidateRenewal(config));
  if (config.has_attested_tls()) TWI_RETURN_IF_ERROR(ValidateAttestedTls(config.attested_tls()));
  TWI_RETURN_IF_ERROR(config::AtField("credential_wit_bundle_file", ReadWitBundle(config).status()));
  if (config.credential_trust_bundle_file().empty())
    return Expected("credential_trust_bundle_file", "a PEM file with the anchors of Workload Credentials");
  return config::AtField("credential_trust_bundle_file", ReadAnchors(config.credential_trust_bundle_file()).status());
}

std::string MechanismName(const WorkloadAgentConfig& config) {
  switch (config.mechanism()) {
    case config::v1::A:
      return "A";
    case config::v1::B:
      return "B";
    case config::v1::C:
      return "C";
    case config::v1::D:
      return "D";
    default:
      return "";
  }
}

crypto::KeyType CredentialKeyType(const WorkloadAgentConfig& config) {
  switch (config.key_type()) {
    case config::v1::P384:
      return crypto::KeyType::kP384;
    case config::v1::ED25519:
      return crypto::KeyType::kEd25519;
    case config::v1::RSA3072:
      return crypto::KeyType::kRsa3072;
    default:
      return crypto::KeyType::kP256;
  }
}

RenewalSettings RenewalOf(const WorkloadAgentConfig& config) {
  RenewalSettings settings;
  const config::v1::Renewal& renewal = config.renewal();
  if (renewal.at_fraction() != 0) settings.at_fraction = renewal.at_fraction();
  if (renewal.has_jitter()) settings.jitter = renewal.jitter();
  if (renewal.has_retry_min()) settings.retry_min = ToDuration(renewal.retry_min());
  if (renewal.has_retry_max()) settings.retry_max = ToDuration(renewal.retry_max());
  return settings;
}

absl::Duration HookTimeout(const WorkloadAgentConfig& config) {
  return config.output().has_hook_timeout() ? ToDuration(config.output().hook_timeout()) : absl::Seconds(10);
}

absl::StatusOr<std::string> ReadKeyId(const config::v1::ProvisionedKey& provisioned) {
  if (provisioned.key_id_file().empty()) return provisioned.key_id();
  TWI_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(provisioned.key_id_file(), {kMaxKeyIdFile}));
  const std::string id(absl::StripAsciiWhitespace(text));
  if (id.empty() || id.find_first_of(" \t\r\n") != std::string::npos)
    return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(provisioned.key_id_file(), ": expected one key id"));
  return id;
}

absl::StatusOr<std::string> ReadWitBundle(const WorkloadAgentConfig& config) {
  const std::string& path = config.credential_wit_bundle_file();
  if (path.empty()) return std::string();
  TWI_ASSIGN_OR_RETURN(std::string bundle, config::ReadFile(path, {}));
  const absl::Status parsed = ParseWitBundle(bundle).status();
  if (!parsed.ok()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", parsed.message()));
  return bundle;
}

absl::StatusOr<std::vector<crypto::Certificate>> ReadAnchors(const std::string& path) {
  TWI_ASSIGN_OR_RETURN(const std::string pem, config::ReadFile(path, {}));
  auto anchors = crypto::ParseCertificates(pem);
  if (!anchors.ok()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", anchors.status().message()));
  if (anchors->empty()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": no certificate"));
  return *std::move(anchors);
}

}  // namespace twi::agent
