#include "services/workload_agent/tpm_context.h"

#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {

absl::Status TpmStatus(TSS2_RC rc, absl::string_view what) {
  if (rc == TSS2_RC_SUCCESS) return absl::OkStatus();
  return Deny(v1::DENY_REASON_ATTESTER_FAILED,
              absl::StrCat("TPM: ", what, ": ", Tss2_RC_Decode(rc), absl::StrFormat(" (0x%x)", rc)));
}

absl::StatusOr<std::unique_ptr<TpmContext>> TpmContext::Open(const std::string& tcti) {
  std::unique_ptr<TpmContext> context(new TpmContext());
  TWI_RETURN_IF_ERROR(
      TpmStatus(Tss2_TctiLdr_Initialize(tcti.c_str(), &context->tcti_), absl::StrCat("connect to \"", tcti, "\"")));
  TWI_RETURN_IF_ERROR(TpmStatus(Esys_Initialize(&context->esys_, context->tcti_, nullptr), "Esys_Initialize"));
  return context;
}

TpmContext::~TpmContext() {
  if (esys_ != nullptr) Esys_Finalize(&esys_);
  if (tcti_ != nullptr) Tss2_TctiLdr_Finalize(&tcti_);
}

absl::StatusOr<std::string> MarshalPublic(const TPM2B_PUBLIC& key) {
  std::string bytes(sizeof(TPMT_PUBLIC), '\0');
  std::size_t size = 0;
  TWI_RETURN_IF_ERROR(TpmStatus(
      Tss2_MU_TPMT_PUBLIC_Marshal(&key.publicArea, reinterpret_cast<std::uint8_t*>(&bytes[0]), bytes.size(), &size),
      "marshal the AK's public area"));
  bytes.resize(size);
  return bytes;
}

}  // namespace twi::agent
