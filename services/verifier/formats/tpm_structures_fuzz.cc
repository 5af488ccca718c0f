// TPMS_ATTEST, TPMT_SIGNATURE and TPMT_PUBLIC from any bytes; what parses is whole, so one byte more or less does not.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "services/verifier/formats/tpm_structures.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto quote = twi::verifier::ParseTpmQuote(bytes); quote.ok()) {
    if (twi::verifier::ParseTpmQuote(bytes + "x").ok() || twi::verifier::ParseTpmQuote(bytes.substr(1)).ok())
      std::abort();
    for (const auto& bank : quote->selection) {
      if (bank.indexes.empty() || bank.indexes.back() >= twi::verifier::kTpmPcrCount) std::abort();
    }
  }
  const auto signature = twi::verifier::ParseTpmSignature(bytes);
  if (signature.ok() && twi::verifier::ParseTpmSignature(bytes + "x").ok()) std::abort();
  if (const auto area = twi::verifier::ParseTpmPublic(bytes); area.ok()) {
    const auto again = twi::verifier::ParseTpmPublic(area->bytes);  // out of its TPM2B_PUBLIC, when it was in one
    if (!again.ok() || again->bytes != area->bytes) std::abort();
    static_cast<void>(twi::verifier::TpmName(*area).ok());
    const auto key = twi::verifier::TpmPublicKey(*area);
    if (key.ok() && signature.ok()) static_cast<void>(twi::verifier::VerifyTpmSignature(*key, *signature, bytes).ok());
  }
  return 0;
}
