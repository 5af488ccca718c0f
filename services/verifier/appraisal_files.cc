#include "services/verifier/appraisal_files.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/snp.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_files.h"

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

absl::StatusOr<EnrolledKey> ReadAttestationKey(const std::string& file) {
  TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(file, {}));
  absl::StatusOr<EnrolledKey> key = EnrolledKeyFromFile(bytes);
  if (!key.ok())
    return Invalid(file, absl::StrCat("expected a public key (PEM or DER), TPMT_PUBLIC, TPM2B_PUBLIC or certificate: ",
                                      key.status().message()));
  return key;
}

// `read` of each file of a list, an error at the place of the file's field.
absl::Status EachFile(const google::protobuf::RepeatedPtrField<std::string>& files, absl::string_view field,
                      const std::function<absl::Status(const std::string&)>& read) {
  for (int i = 0; i < files.size(); ++i)
    TWI_RETURN_IF_ERROR(config::AtField(absl::StrCat("appraisal.", field, "[", i, "]"), read(files[i])));
  return absl::OkStatus();
}

absl::Status AppendCrl(const std::string& file, std::vector<crypto::Crl>& out) {
  TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(file, {}));
  absl::StatusOr<crypto::Crl> crl = crypto::ParseCrl(bytes);
  if (!crl.ok()) return Invalid(file, crl.status().message());
  out.push_back(*std::move(crl));
  return absl::OkStatus();
}

absl::Status AppendPins(const config::v1::Appraisal& config, TrustStore& trust) {
  for (int i = 0; i < config.trust_anchor_sha256_size(); ++i) {
    const absl::StatusOr<std::string> digest = FromHex(config.trust_anchor_sha256(i));
    TWI_RETURN_IF_ERROR(config::Expect(digest.ok() && digest->size() == 32,
                                       absl::StrCat("appraisal.trust_anchor_sha256[", i, "]"), "64 hex digits"));
    trust.anchor_sha256.insert(*digest);
  }
  return absl::OkStatus();
}

absl::Status AppendEndorsedKeys(const config::v1::Appraisal& config, TrustStore& trust) {
  for (int i = 0; i < config.endorsed_attestation_keys_size(); ++i) {
    const config::v1::EndorsedAttestationKey& endorsed = config.endorsed_attestation_keys(i);
    const std::string field = absl::StrCat("appraisal.endorsed_attestation_keys[", i, "]");
    TWI_RETURN_IF_ERROR(config::Expect(!endorsed.name().empty(), field + ".name", "a text"));
    const absl::StatusOr<EnrolledKey> key = ReadAttestationKey(endorsed.public_key_file());
    if (!key.ok()) return config::AtField(field + ".public_key_file", key.status());
    // Twice: the one with more to say would decide, or the last one; neither is what the operator can have meant.
    const bool first =
        trust.endorsed_attestation_keys.emplace(key->key.spki_sha256(), EndorsedKey{endorsed.name(), key->public_area})
            .second;
    TWI_RETURN_IF_ERROR(config::Expect(first, field + ".public_key_file", "each key once"));
  }
  return absl::OkStatus();
}

absl::StatusOr<TrustStore> LoadTrust(const config::v1::Appraisal& config) {
  TrustStore trust;
  if (!config.no_builtin_trust_anchors()) {
    trust.anchor_sha256 = BuiltinSnpAnchors();
    trust.anchor_sha256.insert(BuiltinTpmAnchors().begin(), BuiltinTpmAnchors().end());
  }
  const auto certificates_into = [](std::vector<crypto::Certificate>& out) {
    return [&out](const std::string& file) { return AppendCertificates(file, out); };
  };
  TWI_RETURN_IF_ERROR(AppendPins(config, trust));
  TWI_RETURN_IF_ERROR(EachFile(config.trust_anchor_files(), "trust_anchor_files", certificates_into(trust.anchors)));
  TWI_RETURN_IF_ERROR(EachFile(config.insecure_dev_snp_anchor_files(), "insecure_dev_snp_anchor_files",
                               certificates_into(trust.insecure_anchors)));
  TWI_RETURN_IF_ERROR(
      EachFile(config.intermediate_files(), "intermediate_files", certificates_into(trust.intermediates)));
  TWI_RETURN_IF_ERROR(EachFile(config.crl_files(), "crl_files",
                               [&trust](const std::string& file) { return AppendCrl(file, trust.crls); }));
  TWI_RETURN_IF_ERROR(AppendEndorsedKeys(config, trust));
  return trust;
}

absl::Status LoadPolicy(const std::string& file, CompiledEvidencePolicy& out) {
  TWI_ASSIGN_OR_RETURN(const std::string document, config::ReadFile(file, {}));
  config::v1::EvidencePolicy policy;
  TWI_RETURN_IF_ERROR(config::ParseYaml(document, file, policy));
  absl::StatusOr<CompiledEvidencePolicy> compiled = CompileEvidencePolicy(policy, document);
  if (!compiled.ok()) return Invalid(file, compiled.status().message());
  out = *std::move(compiled);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const AppraisalRules>> LoadAppraisalRules(const config::v1::Appraisal& config) {
  auto rules = std::make_shared<AppraisalRules>();
  TWI_RETURN_IF_ERROR(config::Expect(!config.policy_file().empty(), "appraisal.policy_file", "a file"));
  TWI_RETURN_IF_ERROR(config::AtField("appraisal.policy_file", LoadPolicy(config.policy_file(), rules->policy)));
  std::vector<config::v1::ReferenceValues> files;
  TWI_RETURN_IF_ERROR(
      EachFile(config.reference_value_files(), "reference_value_files",
               [&files](const std::string& file) { return config::LoadYamlFile(file, files.emplace_back()); }));
  absl::StatusOr<ReferenceValueIndex> references = ReferenceValueIndex::Build(files);
  if (!references.ok()) return config::AtField("appraisal.reference_value_files", references.status());
  rules->references = *std::move(references);
  TWI_ASSIGN_OR_RETURN(rules->trust, LoadTrust(config));
  return std::shared_ptr<const AppraisalRules>(std::move(rules));
}

}  // namespace twi::verifier
