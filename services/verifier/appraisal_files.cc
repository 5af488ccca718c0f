#include "services/verifier/appraisal_files.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/snp.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

absl::Status Invalid(absl::string_view file, absl::string_view detail) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(file, ": ", detail));
}

absl::Status AppendCertificates(const std::string& file, std::vector<crypto::Certificate>& out) {
  TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(file, {}));
  absl::StatusOr<std::vector<crypto::Certificate>> parsed = crypto::ParseCertificates(bytes);
  if (!parsed.ok()) return Invalid(file, parsed.status().message());
  if (parsed->empty()) return Invalid(file, "expected at least one certificate");
  for (crypto::Certificate& certificate : *parsed) out.push_back(std::move(certificate));
  return absl::OkStatus();
}

// A PEM SubjectPublicKeyInfo, or the TPM's own TPMT_PUBLIC or TPM2B_PUBLIC.
absl::StatusOr<crypto::PublicKey> ReadAttestationKey(const std::string& file) {
  TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(file, {}));
  if (absl::StrContains(bytes, "-----BEGIN")) {
    absl::StatusOr<crypto::PublicKey> key = crypto::PublicKey::FromPem(bytes);
    if (!key.ok()) return Invalid(file, key.status().message());
    return key;
  }
  const absl::StatusOr<TpmPublic> tpm_public = ParseTpmPublic(bytes);
  if (!tpm_public.ok())
    return Invalid(file, absl::StrCat("expected a PEM public key, TPMT_PUBLIC or TPM2B_PUBLIC: ",
                                      std::string(tpm_public.status().message())));
  return TpmPublicKey(*tpm_public);
}

absl::StatusOr<TrustStore> LoadTrust(const config::v1::Appraisal& config) {
  TrustStore trust;
  if (!config.no_builtin_trust_anchors()) {
    trust.anchor_sha256 = BuiltinSnpAnchors();
    trust.anchor_sha256.insert(BuiltinTpmAnchors().begin(), BuiltinTpmAnchors().end());
  }
  for (const std::string& hex : config.trust_anchor_sha256()) {
    const absl::StatusOr<std::string> digest = FromHex(hex);
    if (!digest.ok() || digest->size() != 32) return Invalid("appraisal.trust_anchor_sha256", "expected 64 hex digits");
    trust.anchor_sha256.insert(*digest);
  }
  for (const std::string& file : config.trust_anchor_files())
    TWI_RETURN_IF_ERROR(AppendCertificates(file, trust.anchors));
  for (const std::string& file : config.insecure_dev_snp_anchor_files())
    TWI_RETURN_IF_ERROR(AppendCertificates(file, trust.insecure_anchors));
  for (const std::string& file : config.intermediate_files())
    TWI_RETURN_IF_ERROR(AppendCertificates(file, trust.intermediates));
  for (const std::string& file : config.crl_files()) {
    TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(file, {}));
    absl::StatusOr<crypto::Crl> crl = crypto::ParseCrl(bytes);
    if (!crl.ok()) return Invalid(file, crl.status().message());
    trust.crls.push_back(*std::move(crl));
  }
  for (const config::v1::EndorsedAttestationKey& endorsed : config.endorsed_attestation_keys()) {
    if (endorsed.name().empty()) return Invalid("appraisal.endorsed_attestation_keys", "name: expected a text");
    TWI_ASSIGN_OR_RETURN(const crypto::PublicKey key, ReadAttestationKey(endorsed.public_key_file()));
    trust.endorsed_attestation_keys[key.spki_sha256()] = endorsed.name();
  }
  return trust;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const AppraisalRules>> LoadAppraisalRules(const config::v1::Appraisal& config) {
  auto rules = std::make_shared<AppraisalRules>();
  if (config.policy_file().empty()) return Invalid("appraisal.policy_file", "expected a file");
  TWI_ASSIGN_OR_RETURN(const std::string document, config::ReadFile(config.policy_file(), {}));
  config::v1::EvidencePolicy policy;
  TWI_RETURN_IF_ERROR(config::ParseYaml(document, config.policy_file(), policy));
  absl::StatusOr<CompiledEvidencePolicy> compiled = CompileEvidencePolicy(policy, document);
  if (!compiled.ok()) return Invalid(config.policy_file(), compiled.status().message());
  rules->policy = *std::move(compiled);
  std::vector<config::v1::ReferenceValues> files;
  for (const std::string& file : config.reference_value_files()) {
    config::v1::ReferenceValues values;
    TWI_RETURN_IF_ERROR(config::LoadYamlFile(file, values));
    files.push_back(std::move(values));
  }
  TWI_ASSIGN_OR_RETURN(rules->references, ReferenceValueIndex::Build(files));
  TWI_ASSIGN_OR_RETURN(rules->trust, LoadTrust(config));
  return std::shared_ptr<const AppraisalRules>(std::move(rules));
}

}  // namespace twi::verifier
