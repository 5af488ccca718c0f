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
#include "services/workload_agent/tpm_tcti.h"

namespace twi::agent {

struct EsysFree {
  void operator()(void* memory) const { Esys_Free(memory); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysFree>;

// An open TPM. Not thread-safe.
class TpmContext {
 public:
  // `tcti`: tpm_address.h. Every command through it ends at the deadline, with or without an answer; after one that had
  // none, all others fail: open the TPM anew. CONFIG_INVALID, ATTESTER_FAILED.
  static absl::StatusOr<std::unique_ptr<TpmContext>> Open(const std::string& tcti, TpmDeadline deadline);
  ~TpmContext();
  TpmContext(const TpmContext&) = delete;
  TpmContext& operator=(const TpmContext&) = delete;

  ESYS_CONTEXT* esys() const { return esys_; }
  // Of a command of this context: as TpmStatus, or that the TPM did not answer in time.
  absl::Status StatusOf(TSS2_RC rc, absl::string_view what) const;

 private:
  explicit TpmContext(std::unique_ptr<TpmTcti> tcti) : tcti_(std::move(tcti)) {}
  const std::unique_ptr<TpmTcti> tcti_;
  ESYS_CONTEXT* esys_ = nullptr;
};

// OK for TSS2_RC_SUCCESS; otherwise ATTESTER_FAILED with `what` and the library's words.
absl::Status TpmStatus(TSS2_RC rc, absl::string_view what);

// TPMT_PUBLIC, marshalled: the form of Evidence's ak_public.
absl::StatusOr<std::string> MarshalPublic(const TPM2B_PUBLIC& key);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TPM_CONTEXT_H_
