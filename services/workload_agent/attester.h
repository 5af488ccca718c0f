// The Attester (RFC 9334): makes Evidence of the environment that the agent runs in. An interface because it stands at
// a hardware boundary; one file per kind.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_ATTESTER_H_
#define TWI_SERVICES_WORKLOAD_AGENT_ATTESTER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/workload_agent.pb.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/workload_agent/tsm_reports.h"

namespace twi::agent {

class Attester {
 public:
  static constexpr absl::Duration kLimit = absl::Seconds(10);  // where the caller has no deadline of its own
  virtual ~Attester() = default;
  // Evidence whose freshness field holds the binding's value (common/binding), 64 bytes (SNP) or 32 (TPM). The
  // binding's form is validated first; whose rp_id it carries is the caller's business (of attested TLS it is the
  // challenger's). ATTESTER_FAILED when the TEE or TPM gives none, or none within `limit`, waiting for its other users
  // included. (SEV-SNP: the kernel's own limits hold for a request that is with the firmware.) Thread-safe: one
  // attestation at a time.
  virtual absl::StatusOr<v1::Evidence> Attest(const v1::Binding& binding, absl::Duration limit) = 0;
  absl::StatusOr<v1::Evidence> Attest(const v1::Binding& binding) { return Attest(binding, kLimit); }
};

// The attester that `config` names. CONFIG_INVALID for what is missing or does not load, ATTESTER_FAILED when the TEE
// or TPM is not there.
absl::StatusOr<std::unique_ptr<Attester>> MakeAttester(const config::v1::Attester& config);

// attester_tpm2.cc: a quote by a persistent AK, over tpm2-tss. Each attestation opens the TPM anew: simulators take one
// connection at a time, and a reset TPM is noticed.
absl::StatusOr<std::unique_ptr<Attester>> MakeTpm2Attester(const config::v1::Tpm2Attester& config);
// attester_sev_snp.cc: Linux' configfs-tsm. `tsm` is the kernel's file system (a fake one in tests).
absl::StatusOr<std::unique_ptr<Attester>> MakeSevSnpAttester(const config::v1::SevSnpAttester& config,
                                                             std::unique_ptr<TsmReports> tsm);
// attester_insecure_dev_snp.cc: DEVELOPMENT ONLY. The image file is measured here, once, as a launch is.
absl::StatusOr<std::unique_ptr<Attester>> MakeInsecureDevSnpAttester(const config::v1::InsecureDevSnpAttester& config);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_ATTESTER_H_
