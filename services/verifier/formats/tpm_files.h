// TPM Evidence from the files that people have: which file is what is found out from the bytes, names are a last
// resort.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_FILES_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/keys.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/evidence_file.h"

namespace twi::verifier {

// True for a file that TpmEvidenceFromFiles can take as `main`: a TPM structure, one of the containers of
// tpm_containers.h, or one that does not parse but is named .tpms_attest, .tpmt_signature or .tpmt_public. Certificates
// are not Evidence: false.
bool LooksLikeTpm(absl::string_view bytes, absl::string_view name);

// The Evidence that `main` and its `companions` make, one per quote (a container may hold one quote for each bank; all
// of them must verify). `main` is one of
//
// 1. a container: go-tpm-tools' Attestation, trustee's JSON, EnactTrust's token (its key is a companion);
// 2. the set of TPMS_ATTEST, TPMT_SIGNATURE, the AK's TPMT_PUBLIC or TPM2B_PUBLIC (or else a PEM public key), and
//    tpm2-tools' PCR file: any one of them, the others are companions;
// 3. bytes that do not parse, while exactly one of the first three of (2) is missing: taken for that one, so that
//    VerifyTpm names what is wrong with it.
//
// Companions may also be certificates (PEM, DER) and event logs. A companion that is nothing of this is left alone: it
// may be another format's. A second file for a part that can only be one: EVIDENCE_MALFORMED. A part missing:
// ENDORSEMENT_MISSING (the key), EVIDENCE_MALFORMED (others).
absl::StatusOr<std::vector<v1::TpmEvidence>> TpmEvidenceFromFiles(const EvidenceFile& main,
                                                                  const std::vector<EvidenceFile>& companions);

// The key of a file that an operator enrolls (--attestation-key, endorsed_attestation_keys): TPMT_PUBLIC, TPM2B_PUBLIC,
// PEM "PUBLIC KEY", DER SubjectPublicKeyInfo, or a certificate. `public_area`: the TPMT_PUBLIC, when it is one of the
// first two.
struct EnrolledKey {
  crypto::PublicKey key;
  std::string public_area;
};
absl::StatusOr<EnrolledKey> EnrolledKeyFromFile(absl::string_view bytes);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_FILES_H_
