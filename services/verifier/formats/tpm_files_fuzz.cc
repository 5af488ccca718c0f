// Every container (go-tpm-tools protobuf, trustee JSON, EnactTrust token, tpm2-tools PCR file) from any bytes, and
// VerifyTpm on what comes out. Nothing of it may be authentic, for nothing is trusted.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_containers.h"
#include "services/verifier/formats/tpm_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace twi::verifier;
  const EvidenceFile file{"fuzz", std::string(reinterpret_cast<const char*>(data), size)};
  const bool parses = ParseGoTpmToolsAttestation(file.bytes).ok() || ParseTrusteeTpmJson(file.bytes).ok() ||
                      ParseEnactTrustToken(file.bytes).ok() || ParseTpm2ToolsPcrs(file.bytes).ok();
  if (parses && !LooksLikeTpm(file.bytes, "")) std::abort();
  const EvidenceFile other{"other", std::string("\x00\x18\x00\x0b\x00\x01r\x00\x01s", 10)};  // a TPMT_SIGNATURE
  for (const auto& companions :
       {std::vector<EvidenceFile>(), std::vector<EvidenceFile>{other}, std::vector<EvidenceFile>{file}}) {
    const auto quotes = TpmEvidenceFromFiles(file, companions);
    if (!quotes.ok()) continue;
    for (const auto& quote : *quotes) {
      if (VerifyTpm(quote, TrustStore(), absl::UnixEpoch(), TpmOptions{true}).authentic()) std::abort();
    }
  }
  return 0;
}
