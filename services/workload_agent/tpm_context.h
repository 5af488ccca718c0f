// tpm2-tss as values: an ESYS context that closes itself, its memory as unique_ptr, its error codes as Status. Only
// tpm_*.cc and attester_tpm2.cc include it.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TPM_CONTEXT_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TPM_CONTEXT_H_

#include <tss2/tss2_esys.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::agent {

struct EsysFree {
  void operator()(void* memory) const { Esys_Free(memory); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysFree>;

// An open TPM. Not thread-safe.
class TpmContext {
 public:
  // `tcti` as tpm2-tss takes it: "device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321", "swtpm:path=/run/tpm/socket".
  // ATTESTER_FAILED.
  static absl::StatusOr<std::unique_ptr<TpmContext>> Open(const std::string& tcti);
  ~TpmContext();
  TpmContext(const TpmContext&) = delete;
  TpmContext& operator=(const TpmContext&) = delete;

  ESYS_CONTEXT* esys() const { return esys_; }

 private:
  TpmContext() = default;
  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
};

// OK for TSS2_RC_SUCCESS; otherwise ATTESTER_FAILED with `what` and the library's words.
absl::Status TpmStatus(TSS2_RC rc, absl::string_view what);

// TPMT_PUBLIC, marshalled: the form of Evidence's ak_public.
absl::StatusOr<std::string> MarshalPublic(const TPM2B_PUBLIC& key);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TPM_CONTEXT_H_
