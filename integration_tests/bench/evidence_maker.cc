#include "integration_tests/bench/evidence_maker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/config/read_file.h"
#include "common/crypto/hash.h"
#include "common/dev_snp/dev_snp.h"
#include "common/encoding/encoding.h"
#include "integration_tests/bench/measure.h"
#include "services/verifier/formats/tpm_builder.h"

namespace twi::bench {
namespace {

class SnpMaker final : public EvidenceMaker {
 public:
  SnpMaker(DevSnpChain chain, std::string measurement) : chain_(std::move(chain)) {
    params_.measurement = std::move(measurement);
  }
  v1::Evidence Make(const v1::Binding& binding) const override {
    DevSnpReportParams params = params_;
    params.report_data = BindingValue64(binding);
    v1::Evidence evidence;
    evidence.mutable_sev_snp()->set_report(OrFail(chain_.MakeReport(params), "development SNP report"));
    // As the agent sends them, and as configfs-tsm's auxblob has them.
    for (const std::string& der : {chain_.vcek_der(), chain_.ask_der(), chain_.ark_der()})
      evidence.mutable_sev_snp()->add_certificates(der);
    return evidence;
  }

 private:
  const DevSnpChain chain_;
  DevSnpReportParams params_;
};

class TpmMaker final : public EvidenceMaker {
 public:
  explicit TpmMaker(const SoftTpm& tpm) : tpm_(tpm) {}
  v1::Evidence Make(const v1::Binding& binding) const override {
    v1::Evidence evidence;
    *evidence.mutable_tpm2() =
        OrFail(verifier::BuildTpmEvidence(tpm_.ak, BindingValue32(binding), tpm_.pcrs), "TPM quote");
    return evidence;
  }

 private:
  const SoftTpm tpm_;
};

}  // namespace

std::unique_ptr<EvidenceMaker> MakeSnpEvidence(const std::string& chain_directory, const std::string& image_file) {
  const std::string image = OrFail(config::ReadFile(image_file, {}), image_file);
  return std::make_unique<SnpMaker>(OrFail(DevSnpChain::Read(chain_directory), chain_directory), crypto::Sha384(image));
}

SoftTpm SoftTpm::Generate() {
  SoftTpm tpm{OrFail(crypto::PrivateKey::Generate(crypto::KeyType::kP256), "AK"), {}};
  for (const std::uint32_t index : {0, 1, 2, 3, 4, 5, 7}) tpm.pcrs[index] = crypto::Sha256(absl::StrCat("PCR ", index));
  return tpm;
}

std::string SoftTpm::PcrsYaml() const {
  std::string yaml;
  for (const auto& [index, value] : pcrs)
    absl::StrAppend(&yaml, "        - {index: ", index, ", value: \"", ToHex(value), "\"}\n");
  return yaml;
}

std::unique_ptr<EvidenceMaker> MakeTpmEvidence(const SoftTpm& tpm) { return std::make_unique<TpmMaker>(tpm); }

}  // namespace twi::bench
