// DEVELOPMENT ONLY: reports in the exact ABI format by a chain of our own (common/dev_snp).
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/config/read_file.h"
#include "common/crypto/hash.h"
#include "common/dev_snp/dev_snp.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/attester.h"

namespace twi::agent {
namespace {

constexpr std::size_t kMaxImage = 64 * 1024 * 1024;

class InsecureDevSnpAttester final : public Attester {
 public:
  InsecureDevSnpAttester(DevSnpChain chain, DevSnpReportParams params)
      : chain_(std::move(chain)), params_(std::move(params)) {}

  absl::StatusOr<v1::Evidence> Attest(const v1::Binding& binding, absl::Duration) override {
    TWI_RETURN_IF_ERROR(ValidateBinding(binding));
    DevSnpReportParams params = params_;
    params.report_data = BindingValue64(binding);
    auto report = chain_.MakeReport(params);
    if (!report.ok()) return Deny(v1::DENY_REASON_ATTESTER_FAILED, report.status().message());
    v1::Evidence evidence;
    v1::SnpEvidence& snp = *evidence.mutable_sev_snp();
    snp.set_report(*std::move(report));
    for (const std::string& certificate : {chain_.vcek_der(), chain_.ask_der(), chain_.ark_der()})
      snp.add_certificates(certificate);
    return evidence;
  }

 private:
  const DevSnpChain chain_;
  const DevSnpReportParams params_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Attester>> MakeInsecureDevSnpAttester(const config::v1::InsecureDevSnpAttester& config) {
  TWI_ASSIGN_OR_RETURN(DevSnpChain chain, DevSnpChain::Read(config.chain_directory()));
  config::ReadFileOptions options;
  options.max_bytes = kMaxImage;
  TWI_ASSIGN_OR_RETURN(const std::string image, config::ReadFile(config.image_file(), options));
  DevSnpReportParams params;
  if (config.report_version() != 0) params.version = config.report_version();
  if (params.version != 2 && params.version != 3 && params.version != 5) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat("attester.insecure_dev_snp.report_version: ", params.version, ", expected 2, 3 or 5"));
  }
  if (config.vmpl() > 3)
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat("attester.insecure_dev_snp.vmpl: ", config.vmpl(), ", expected 0..3"));
  params.vmpl = config.vmpl();
  if (config.debug()) params.policy |= kSnpPolicyDebug;
  params.measurement = crypto::Sha384(image);
  return std::unique_ptr<Attester>(std::make_unique<InsecureDevSnpAttester>(std::move(chain), std::move(params)));
}

}  // namespace twi::agent
