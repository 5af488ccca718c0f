// The certificate table of an extended SNP report (GHCB specification, SNP_GET_EXT_REPORT; configfs-tsm `auxblob`):
// entries of {GUID 16 bytes, offset u32, length u32} (little endian), ended by an entry of zeros, then the
// certificates. Shared by the agent and the Verifier's tools.
#ifndef TWI_COMMON_SNP_CERT_TABLE_SNP_CERT_TABLE_H_
#define TWI_COMMON_SNP_CERT_TABLE_SNP_CERT_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi {

// The bytes of the GUIDs of certificates, as they stand in the table.
constexpr char kSnpGuidVcek[] = "63da758d-e664-4564-adc5-f4b93be8accd";
constexpr char kSnpGuidVlek[] = "a8074bc2-a25a-483e-aae6-39c045a0b8a1";
constexpr char kSnpGuidAsk[] = "4ab7b379-bbac-4fe4-a02f-05aef327c782";
constexpr char kSnpGuidArk[] = "c0b406a4-a803-4952-9743-3fb6014cd0ae";

struct SnpCertTableEntry {
  std::string guid;         // text form, lower case
  std::string certificate;  // as found: DER, or PEM where the host put it so; not parsed, not trusted
};

// Checks: at most 64 KiB; at most 16 entries; the zero entry is there; each certificate is 1 byte to 16 KiB and lies
// between the end of the entries and the end of the table. Certificates of other GUIDs (a hypervisor may add its own,
// and CRLs) are returned too. ENDORSEMENT_MALFORMED. Empty input: no entries.
absl::StatusOr<std::vector<SnpCertTableEntry>> ParseSnpCertTable(absl::string_view table);

// True for the four GUIDs above.
bool IsSnpCertificateGuid(absl::string_view guid);

}  // namespace twi

#endif  // TWI_COMMON_SNP_CERT_TABLE_SNP_CERT_TABLE_H_
