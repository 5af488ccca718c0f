// The layout of an AMD SEV-SNP attestation report (AMD 56860, section 7.3, table "ATTESTATION_REPORT Structure"): bytes
// into values, and the checks of form that need no certificate. All integers little endian.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_SNP_REPORT_H_
#define TWI_SERVICES_VERIFIER_FORMATS_SNP_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "services/verifier/formats/format.h"

namespace twi::verifier {

constexpr std::size_t kSnpReportSize = 1184;
constexpr std::size_t kSnpSignedSize = 0x2a0;  // The signature covers bytes 0..0x29f.

// TCB_VERSION, decoded in the order of the product (Milan/Genoa: bl,tee,_,_,_,_,snp,ucode; Turin:
// fmc,bl,tee,snp,_,_,_,ucode).
struct SnpTcb {
  std::uint8_t fmc = 0, bl = 0, tee = 0, snp = 0, ucode = 0;
  bool has_fmc = false;
};
inline bool operator==(const SnpTcb& a, const SnpTcb& b) {
  return a.fmc == b.fmc && a.bl == b.bl && a.tee == b.tee && a.snp == b.snp && a.ucode == b.ucode &&
         a.has_fmc == b.has_fmc;
}
inline bool operator!=(const SnpTcb& a, const SnpTcb& b) { return !(a == b); }

// kUnknown: a version 2 report before its certificate is seen, or a CPU that we do not know. Siena and Bergamo are
// Genoa (same chain, same order).
enum class SnpProduct { kUnknown, kMilan, kGenoa, kTurin };
std::string SnpProductName(SnpProduct product);  // "Milan", "Genoa", "Turin", "unknown"

enum class SnpSigningKey { kVcek = 0, kVlek = 1, kNone = 7 };

struct SnpReport {
  std::uint32_t version = 0, guest_svn = 0, vmpl = 0, signature_algo = 0, key_info = 0;
  std::uint64_t policy = 0, platform_info = 0;
  std::uint64_t current_tcb = 0, reported_tcb = 0, committed_tcb = 0, launch_tcb = 0;  // raw; DecodeSnpTcb
  std::uint64_t launch_mit_vector = 0, current_mit_vector = 0;                         // version 5
  std::uint8_t cpuid_family = 0, cpuid_model = 0, cpuid_stepping = 0;                  // version 3 and later
  std::string family_id, image_id, report_data, measurement, host_data, id_key_digest, author_key_digest, report_id,
      report_id_ma, chip_id;
  std::string current_fw, committed_fw;  // "major.minor.build"

  bool author_key_enabled() const { return key_info & 1; }
  bool chip_key_masked() const { return key_info & 2; }
  std::uint32_t signing_key() const { return (key_info >> 2) & 7; }  // SnpSigningKey or a reserved value
  bool debug() const { return policy & (std::uint64_t{1} << 19); }
  bool migrate_ma() const { return policy & (std::uint64_t{1} << 18); }
  bool smt() const { return policy & (std::uint64_t{1} << 16); }
};

// Reads the fields. `bytes` must be kSnpReportSize long (the caller checked).
SnpReport ReadSnpReport(absl::string_view bytes);

// The checks of form, each a finding: version 2, 3 or 5; reserved ranges and bits zero by version; signature algorithm
// 1; policy bit 17; VMPL 0..3; signing key VCEK or VLEK and chip key not masked; known product when the version has
// CPUID bytes.
std::vector<Finding> CheckSnpReportForm(const SnpReport& report, absl::string_view bytes);

// By CPUID family and model (AMD PPR; AMD 57230 names). kUnknown for version 2.
SnpProduct SnpProductOf(const SnpReport& report);

SnpTcb DecodeSnpTcb(std::uint64_t raw, SnpProduct product);  // kUnknown reads the Milan/Genoa order.
nlohmann::json SnpTcbJson(const SnpTcb& tcb);

// All fields under the names in README.md.
nlohmann::json SnpReportClaims(const SnpReport& report, SnpProduct product);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_SNP_REPORT_H_
