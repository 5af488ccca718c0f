// The certificate table of an extended guest report (GHCB specification 56421, section 4.1.8.1), as in
// SNP_GET_EXT_REPORT and configfs-tsm `auxblob`. Shared by the agent and the tools that read files.
#ifndef TWI_COMMON_SNP_CERT_TABLE_SNP_CERT_TABLE_H_
#define TWI_COMMON_SNP_CERT_TABLE_SNP_CERT_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi {

struct SnpCertTableEntry {
  std::string guid;  // "63da758d-e664-4564-adc5-f4b93be8accd": bytes in the order in which they stand
  std::string
      what;  // "ARK", "ASK" (also ASVK), "VCEK", "VLEK"; "" for a GUID that we do not know (AMD's CRL, a vendor's own)
  std::uint32_t offset = 0, length = 0;
  std::string data;  // a certificate, DER or PEM; not parsed here
};

// Table: entries of 24 bytes {GUID[16], u32le offset, u32le length}, ended by an entry of zeroes, then the data.
// Checks: at most 64 KiB and 16 entries; the zero entry is there; each range lies behind the table and inside the
// buffer, without overlap; no known GUID twice. An empty input and an all-zero table (no certificates) are allowed.
// ENDORSEMENT_MALFORMED otherwise.
absl::StatusOr<std::vector<SnpCertTableEntry>> ParseSnpCertTable(absl::string_view bytes);

// True when the first GUID is one that we know.
bool LooksLikeSnpCertTable(absl::string_view bytes);

}  // namespace twi

#endif  // TWI_COMMON_SNP_CERT_TABLE_SNP_CERT_TABLE_H_
