#include "services/verifier/evidence_policy.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::verifier {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view expected) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("evidence policy: ", field, ": expected ", expected));
}

absl::Status CheckSnp(config::v1::SnpPolicy& snp) {
  if (snp.allowed_vmpl().empty()) snp.add_allowed_vmpl(0);
  for (std::uint32_t vmpl : snp.allowed_vmpl()) {
    if (vmpl > 3) return Invalid("sev_snp.allowed_vmpl", "0..3");
  }
  std::set<std::string> products;
  for (const config::v1::MinimumTcb& tcb : snp.minimum_tcb()) {
    if (!products.insert(tcb.product()).second) return Invalid("sev_snp.minimum_tcb.product", "each product once");
    if (tcb.product() != "Milan" && tcb.product() != "Genoa" && tcb.product() != "Turin")
      return Invalid("sev_snp.minimum_tcb.product", "Milan, Genoa or Turin");
    for (std::uint32_t level : {tcb.fmc(), tcb.bl(), tcb.tee(), tcb.snp(), tcb.ucode()}) {
      if (level > 255) return Invalid("sev_snp.minimum_tcb", "levels 0..255");
    }
    if (tcb.fmc() != 0 && tcb.product() != "Turin") return Invalid("sev_snp.minimum_tcb.fmc", "nothing but on Turin");
  }
  if (snp.allowed_signing_keys().empty()) {
    snp.add_allowed_signing_keys("VCEK");
    snp.add_allowed_signing_keys("VLEK");
  }
  for (const std::string& key : snp.allowed_signing_keys()) {
    if (key != "VCEK" && key != "VLEK") return Invalid("sev_snp.allowed_signing_keys", "VCEK or VLEK");
  }
  for (const std::string& host_data : snp.allowed_host_data()) {
    if (host_data.size() != 32) return Invalid("sev_snp.allowed_host_data", "32 bytes in hex");
  }
  return absl::OkStatus();
}

absl::Status CheckTpm(config::v1::TpmPolicy& tpm) {
  if (tpm.bank().empty()) tpm.set_bank("sha256");
  if (tpm.bank() != "sha256" && tpm.bank() != "sha384") return Invalid("tpm2.bank", "sha256 or sha384");
  if (tpm.pcrs().empty()) return Invalid("tpm2.pcrs", "at least one PCR");
  for (int i = 0; i < tpm.pcrs_size(); ++i) {
    if (tpm.pcrs(i) > 23 || (i > 0 && tpm.pcrs(i) <= tpm.pcrs(i - 1)))
      return Invalid("tpm2.pcrs", "ascending indexes 0..23, each once");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CompiledEvidencePolicy> CompileEvidencePolicy(const config::v1::EvidencePolicy& policy,
                                                             absl::string_view document) {
  CompiledEvidencePolicy compiled;
  compiled.policy = policy;
  if (policy.id().empty() || policy.id().size() > 256) return Invalid("id", "1..256 characters");
  if (!policy.has_sev_snp() && !policy.has_tpm2()) return Invalid("sev_snp, tpm2", "at least one format");
  if (policy.has_sev_snp()) TWI_RETURN_IF_ERROR(CheckSnp(*compiled.policy.mutable_sev_snp()));
  if (policy.has_tpm2()) TWI_RETURN_IF_ERROR(CheckTpm(*compiled.policy.mutable_tpm2()));
  std::vector<std::pair<std::string, std::string>> named;
  for (const config::v1::Condition& condition : policy.conditions())
    named.emplace_back(condition.name(), condition.expression());
  absl::StatusOr<Conditions> conditions =
      Conditions::Compile(named, {{"evidence", EvidenceType()}, {"software", SoftwareType()}});
  if (!conditions.ok())
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat("evidence policy: ", std::string(conditions.status().message())));
  compiled.conditions = *std::move(conditions);
  compiled.id = absl::StrCat(policy.id(), "@sha256:", ToHex(crypto::Sha256(document)));
  return compiled;
}

}  // namespace twi::verifier
