// Any file as Evidence, as companion, as root, as name: no crash, and never two kinds at once.
#include <cstdint>
#include <cstdlib>

#include "services/verifier/distinguished_name.h"
#include "services/verifier/endorsement_files.h"
#include "services/verifier/evidence_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const twi::verifier::EvidenceFile file{"file", std::string(reinterpret_cast<const char*>(data), size)};
  const auto loaded = twi::verifier::LoadEvidence(file, {file}, twi::verifier::EvidenceFormat::kAuto);
  if (loaded.ok() && !loaded->snp.empty() + !loaded->tpm.empty() + !loaded->endorsement.empty() != 1) std::abort();
  twi::verifier::TrustStore trust;
  twi::verifier::AddEndorsementFiles({file}, trust).IgnoreError();
  if (!trust.anchors.empty()) std::abort();  // a companion is never an anchor
  twi::verifier::AddTrustAnchorFile(file, trust).IgnoreError();
  twi::verifier::NameToText(file.bytes);
  return 0;
}
