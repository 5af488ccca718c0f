// A certificate, and in it AMD's extensions.
#include <cstdint>
#include <cstdlib>

#include "services/verifier/formats/snp_endorsement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto certificate = twi::crypto::ParseCertificate(bytes);
  if (!certificate.ok()) return 0;
  const auto endorsement = twi::verifier::ParseSnpEndorsement(*certificate);
  if (endorsement.ok() && endorsement->hwid.empty() == endorsement->csp_id.empty()) std::abort();
  return 0;
}
