#include "common/snp_cert_table/snp_cert_table.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"

namespace twi {
namespace {

constexpr std::size_t kMaxTable = 64 * 1024;
constexpr std::size_t kMaxEntries = 16;
constexpr std::size_t kMaxCertificate = 16 * 1024;
constexpr std::size_t kEntrySize = 24;

std::uint32_t U32(absl::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

// RFC 4122 order, as Linux's sev-guest tools and go-sev-guest read it (no byte swapping of the first three fields).
std::string GuidText(absl::string_view guid) {
  const std::string hex = ToHex(guid);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

absl::Status Malformed(absl::string_view what) {
  return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, absl::StrCat("SNP certificate table: ", what));
}

}  // namespace

absl::StatusOr<std::vector<SnpCertTableEntry>> ParseSnpCertTable(absl::string_view table) {
  if (table.empty()) return std::vector<SnpCertTableEntry>();
  if (table.size() > kMaxTable) return Malformed(absl::StrCat(table.size(), " bytes, at most ", kMaxTable));
  // First the end of the entries, so that a certificate cannot overlap them.
  std::size_t entries = 0;
  for (;; ++entries) {
    if (entries > kMaxEntries) return Malformed(absl::StrCat("more than ", kMaxEntries, " entries"));
    if (table.size() < (entries + 1) * kEntrySize) return Malformed("no zero entry at its end");
    if (table.substr(entries * kEntrySize, kEntrySize).find_first_not_of('\0') == absl::string_view::npos) break;
  }
  const std::size_t data_start = (entries + 1) * kEntrySize;
  std::vector<SnpCertTableEntry> parsed;
  for (std::size_t i = 0; i < entries; ++i) {
    const absl::string_view entry = table.substr(i * kEntrySize, kEntrySize);
    const std::size_t offset = U32(entry, 16), length = U32(entry, 20);
    if (length == 0 || length > kMaxCertificate) return Malformed(absl::StrCat("entry ", i, ": length ", length));
    if (offset < data_start || offset > table.size() || length > table.size() - offset) {
      return Malformed(absl::StrCat("entry ", i, ": offset ", offset, " length ", length, " outside of the table's ",
                                    table.size(), " bytes"));
    }
    parsed.push_back({GuidText(entry.substr(0, 16)), std::string(table.substr(offset, length))});
  }
  return parsed;
}

bool IsSnpCertificateGuid(absl::string_view guid) {
  return guid == kSnpGuidVcek || guid == kSnpGuidVlek || guid == kSnpGuidAsk || guid == kSnpGuidArk;
}

}  // namespace twi
