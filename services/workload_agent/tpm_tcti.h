// The way to a TPM (a TCTI, TCG TSS 2.0 TCTI specification) with a deadline over all that goes through it. Those of
// tpm2-tss have none: a TPM that gives no answer holds their caller forever (tcti-swtpm takes no notice of a timeout,
// tcti-device only where it was built so). Both kinds of TPM that are reached here speak the TPM's own bytes: a command
// out, an answer back, its length in its header (TPM 2.0 Library, Part 1, 18).
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TPM_TCTI_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TPM_TCTI_H_

#include <tss2/tss2_tcti.h>

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "services/workload_agent/tpm_address.h"

namespace twi::agent {

using TpmDeadline = std::chrono::steady_clock::time_point;

// Not thread-safe. Once late or broken it carries no more commands: the answer to the last may still be on its way.
class TpmTcti {
 public:
  // ATTESTER_FAILED. A name is looked up for as long as the resolver takes; what a driver does inside the kernel has
  // the driver's own limits.
  static absl::StatusOr<std::unique_ptr<TpmTcti>> Open(const TpmAddress& address, TpmDeadline deadline);
  virtual ~TpmTcti() = default;

  virtual TSS2_TCTI_CONTEXT* context() = 0;  // for ESYS; lives as long as this
  virtual bool late() const = 0;             // the deadline passed before an answer came
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TPM_TCTI_H_
