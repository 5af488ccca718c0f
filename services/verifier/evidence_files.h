// Evidence as people have it in files: which format a file holds is found out from its bytes, never from its name
// alone.
#ifndef TWI_SERVICES_VERIFIER_EVIDENCE_FILES_H_
#define TWI_SERVICES_VERIFIER_EVIDENCE_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/crypto/x509.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/evidence_file.h"

namespace twi::verifier {

enum class EvidenceFormat { kAuto, kSnp, kTpm };

// Exactly one of the three is filled.
struct LoadedEvidence {
  std::vector<v1::SnpEvidence> snp;  // one
  std::vector<v1::TpmEvidence> tpm;  // one per quote; all of them must verify
  std::vector<crypto::Certificate>
      endorsement;                       // no Evidence at all: a certificate to be appraised for itself, leaf first
  std::string evidence_name;             // the file that was taken as Evidence
  std::vector<EvidenceFile> companions;  // the other files
  std::vector<std::string> left_out;     // "NAME: not used: why", of files that were found in a folder
  nlohmann::json envelope;  // what an unsigned envelope says: entries of a certificate table, provider of a tsm report
};

// Reads `main` together with `companions`. Recognised: an SNP report (raw, or of a size near it with a known version);
// a configfs-tsm report (JSON, CBOR); what tpm_files.h takes; certificates and certificate tables. When `main` is
// itself a companion (a certificate, a CRL, a certificate table) and one of `companions` is Evidence, that one is
// appraised and `main` is its companion. `format` other than kAuto: anything else is refused.
// EVIDENCE_FORMAT_UNSUPPORTED for what is nothing of this; EVIDENCE_MALFORMED and ENDORSEMENT_MALFORMED for what is,
// and does not parse.
//
// Companions that were `found` in a folder, and are nothing of this, or do not belong to `main`, are left out and
// named; two that could each be the same part of it are refused by name (formats/tpm_companions.h). `attestation_keys`:
// files that the operator vouches for; the one is the key of TPM Evidence that carries none.
absl::StatusOr<LoadedEvidence> LoadEvidence(const EvidenceFile& main, const std::vector<EvidenceFile>& companions,
                                            EvidenceFormat format,
                                            const std::vector<EvidenceFile>& attestation_keys = {});

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_EVIDENCE_FILES_H_
