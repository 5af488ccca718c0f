// What one file of TPM Evidence holds, by its bytes.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_PARTS_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_PARTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::verifier {

enum class TpmPart { kUnknown, kQuote, kSignature, kPublic, kBareKey, kPcrs, kEventLog, kCertificates };

// By content alone. kPublic: TPMT_PUBLIC or TPM2B_PUBLIC; kBareKey: a PEM "PUBLIC KEY" or a DER SubjectPublicKeyInfo.
TpmPart TpmPartOf(absl::string_view bytes);

// DER of a PEM "PUBLIC KEY" block, or the bytes themselves when they are a SubjectPublicKeyInfo. KEY_MALFORMED,
// ENCODING_MALFORMED.
absl::StatusOr<std::string> TpmSpkiFromFile(absl::string_view bytes);

// One of the containers of tpm_containers.h, told apart by its bytes; whether it looks like one, before its parser
// says.
absl::StatusOr<std::vector<v1::TpmEvidence>> TpmEvidenceFromContainer(absl::string_view bytes);
bool LooksLikeTpmContainer(absl::string_view bytes);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_PARTS_H_
