// A configfs-tsm report in a file (Linux Documentation/ABI/testing/configfs-tsm-report), as ratsd and veraison carry
// it: one flat map of provider, outblob, auxblob in JSON (blobs in base64url) or CBOR (byte strings).
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_TSM_REPORT_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_TSM_REPORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::verifier {

struct TsmReport {
  std::string provider;  // "sev_guest", without the line end that the kernel writes
  std::string outblob;   // the report
  std::string auxblob;   // the certificate table; empty when absent
};

// Both refuse (EVIDENCE_MALFORMED): more than 256 KiB, more than 16 entries, a key twice, nesting, a wrong type,
// anything behind it, no provider or outblob. Keys that we do not know (generation, manifestblob, ...) are read and
// dropped: nothing in this envelope is signed, only the report in it.
absl::StatusOr<TsmReport> ParseTsmReportJson(absl::string_view text);
// RFC 8949, deterministic lengths only: definite, shortest form.
absl::StatusOr<TsmReport> ParseTsmReportCbor(absl::string_view in);

// The report with the certificates of its table, of which at most 8 are taken. EVIDENCE_FORMAT_UNSUPPORTED (another
// provider than sev_guest), ENDORSEMENT_MALFORMED.
absl::StatusOr<v1::SnpEvidence> SnpEvidenceOf(const TsmReport& tsm);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_TSM_REPORT_H_
