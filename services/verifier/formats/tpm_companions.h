// Which files belong to a piece of TPM Evidence, where not all were named by somebody.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_COMPANIONS_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_COMPANIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/verifier/formats/evidence_file.h"

namespace twi::verifier {

struct TpmCompanions {
  std::vector<EvidenceFile> chosen;   // for TpmEvidenceFromFiles
  std::vector<std::string> left_out;  // "NAME: why", for the operator
};

// Files that were named (not `found`) are all chosen. Of those found in a folder, in turn:
//
// 1. what no part of Evidence is, or a part that `main` or a named file is already: left out;
// 2. certificates: left out here; whoever appraises has them for building paths;
// 3. keys: public areas that cannot sign (an EK's) are left out, and a bare key beside a public area; of several, the
// one
//    that is also among `attestation_keys`;
// 4. of equal files one. Two that differ could each be the part: EVIDENCE_MALFORMED with both names, nothing is
// guessed.
//
// Evidence for which no file holds the key: the one of `attestation_keys` (files of --attestation-key), when it is one.
absl::StatusOr<TpmCompanions> ChooseTpmCompanions(const EvidenceFile& main, const std::vector<EvidenceFile>& companions,
                                                  const std::vector<EvidenceFile>& attestation_keys);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_COMPANIONS_H_
