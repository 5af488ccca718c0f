#include "services/workload_agent/tpm_context.h"

#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/tpm_address.h"

namespace twi::agent {

absl::Status TpmStatus(TSS2_RC rc, absl::string_view what) {
  if (rc == TSS2_RC_SUCCESS) return absl::OkStatus();
  return Deny(v1::DENY_REASON_ATTESTER_FAILED,
              absl::StrCat("TPM: ", what, ": ", Tss2_RC_Decode(rc), absl::StrFormat(" (0x%x)", rc)));
}

absl::StatusOr<std::unique_ptr<TpmContext>> TpmContext::Open(const std::string& tcti, TpmDeadline deadline) {
  TWI_ASSIGN_OR_RETURN(const TpmAddress address, ParseTpmAddress(tcti));
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<TpmTcti> connection, TpmTcti::Open(address, deadline));
  std::unique_ptr<TpmContext> context(new TpmContext(std::move(connection)));
  TWI_RETURN_IF_ERROR(
      TpmStatus(Esys_Initialize(&context->esys_, context->tcti_->context(), nullptr), "Esys_Initialize"));
  return context;
}

TpmContext::~TpmContext() {
  if (esys_ != nullptr) Esys_Finalize(&esys_);
}

absl::Status TpmContext::StatusOf(TSS2_RC rc, absl::string_view what) const {
  if (rc != TSS2_RC_SUCCESS && tcti_->late())
    return Deny(v1::DENY_REASON_ATTESTER_FAILED, absl::StrCat("TPM: ", what, ": no answer in time"));
  return TpmStatus(rc, what);
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
