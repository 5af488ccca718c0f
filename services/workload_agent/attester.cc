#include "services/workload_agent/attester.h"

#include "common/status/deny.h"

namespace twi::agent {

absl::StatusOr<std::unique_ptr<Attester>> MakeAttester(const config::v1::Attester& config) {
  switch (config.kind_case()) {
    case config::v1::Attester::kTpm2:
      return MakeTpm2Attester(config.tpm2());
    case config::v1::Attester::kSevSnp:
      return MakeSevSnpAttester(config.sev_snp(), MakeConfigfsTsmReports(config.sev_snp().configfs()));
    case config::v1::Attester::kInsecureDevSnp:
      return MakeInsecureDevSnpAttester(config.insecure_dev_snp());
    case config::v1::Attester::KIND_NOT_SET:
      break;
  }
  return Deny(v1::DENY_REASON_CONFIG_INVALID, "attester: expected one of tpm2, sev_snp, insecure_dev_snp");
}

}  // namespace twi::agent
