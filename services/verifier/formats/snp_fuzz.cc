// Any report bytes: no crash; never authentic without endorsements.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "services/verifier/formats/snp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  twi::v1::SnpEvidence evidence;
  evidence.set_report(std::string(reinterpret_cast<const char*>(data), size));
  const twi::verifier::EvidenceResult result =
      twi::verifier::VerifySnp(evidence, twi::verifier::TrustStore(), absl::UnixEpoch());
  if (result.authentic()) std::abort();
  static_cast<void>(result.claims.claims.dump());  // what is read is valid JSON text
  return 0;
}
