// The report's bytes: AMD 56860, table ATTESTATION_REPORT. All integers little endian.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/dev_snp/dev_snp.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

constexpr std::size_t kReportSize = 1184;
constexpr std::size_t kSignedSize = 0x2A0;
constexpr std::size_t kSignatureField = 72;  // r, then s
constexpr std::size_t kScalar = 48;          // P-384

void PutLe(std::string& report, std::size_t at, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) report[at + i] = static_cast<char>(value >> (8 * i));
}

void PutBytes(std::string& report, std::size_t at, const std::string& bytes) {
  report.replace(at, bytes.size(), bytes);
}

// TCB_VERSION of Milan and Genoa: bl, tee, four reserved, snp, ucode.
std::string TcbBytes(const DevSnpTcb& tcb) {
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(tcb.bl);
  bytes[1] = static_cast<char>(tcb.tee);
  bytes[6] = static_cast<char>(tcb.snp);
  bytes[7] = static_cast<char>(tcb.ucode);
  return bytes;
}

absl::Status ValidateParams(const DevSnpReportParams& params) {
  if (params.version != 2 && params.version != 3 && params.version != 5) {
    return absl::InvalidArgumentError(
        absl::StrCat("development report: version ", params.version, ", expected 2, 3 or 5"));
  }
  if (params.vmpl > 3)
    return absl::InvalidArgumentError(absl::StrCat("development report: vmpl ", params.vmpl, ", expected 0..3"));
  if (params.report_data.size() != 64 || params.measurement.size() != 48 || params.host_data.size() != 32) {
    return absl::InvalidArgumentError("development report: report_data must be 64 bytes, measurement 48, host_data 32");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> DevSnpChain::MakeReport(const DevSnpReportParams& params) const {
  TWI_RETURN_IF_ERROR(ValidateParams(params));
  std::string report(kReportSize, '\0');
  const std::string tcb = TcbBytes(tcb_);
  PutLe(report, 0x00, params.version, 4);
  PutLe(report, 0x08, params.policy, 8);
  PutLe(report, 0x30, params.vmpl, 4);
  PutLe(report, 0x34, 1, 4);    // ECDSA P-384 with SHA-384
  PutBytes(report, 0x38, tcb);  // current_tcb
  PutLe(report, 0x40, 1, 8);    // platform_info: SMT enabled
  // 0x48 signer info: zero = no author key, chip key not masked, signed by the VCEK.
  PutBytes(report, 0x50, params.report_data);
  PutBytes(report, 0x90, params.measurement);
  PutBytes(report, 0xC0, params.host_data);
  PutBytes(report, 0x160, std::string(32, '\xff'));  // report_id_ma: no migration agent
  PutBytes(report, 0x180, tcb);                      // reported_tcb
  if (params.version >= 3) {                         // CPUID family, model, stepping of Milan B0
    PutLe(report, 0x188, 0x19, 1);
    PutLe(report, 0x189, 0x01, 1);
    PutLe(report, 0x18A, 0x00, 1);
  }
  PutBytes(report, 0x1A0, chip_id_);
  PutBytes(report, 0x1E0, tcb);                  // committed_tcb
  for (const std::size_t at : {0x1E8, 0x1EC}) {  // current and committed firmware: build, minor, major
    PutLe(report, at, 21, 1);
    PutLe(report, at + 1, 55, 1);
    PutLe(report, at + 2, 1, 1);
  }
  PutBytes(report, 0x1F0, tcb);  // launch_tcb

  TWI_ASSIGN_OR_RETURN(const std::string signature, vcek_key_.Sign(crypto::SignatureAlgorithm::kEcdsaP384Sha384Raw,
                                                                   absl::string_view(report).substr(0, kSignedSize)));
  if (signature.size() != 2 * kScalar)
    return absl::InternalError("development report: an ECDSA P-384 signature is 96 bytes");
  for (std::size_t scalar = 0; scalar < 2; ++scalar) {  // big endian to little endian, each in 72 bytes
    std::string bytes = signature.substr(scalar * kScalar, kScalar);
    std::reverse(bytes.begin(), bytes.end());
    PutBytes(report, kSignedSize + scalar * kSignatureField, bytes);
  }
  return report;
}

}  // namespace twi
