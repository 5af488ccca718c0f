#include "services/verifier/formats/snp_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/encoding/encoding.h"

namespace twi::verifier {
namespace {

constexpr char kSource[] = "AMD 56860, ATTESTATION_REPORT";

// `size` bytes little endian. The caller has checked that they exist.
std::uint64_t ReadLe(absl::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[offset + i]);
  return value;
}

std::uint32_t ReadU32(absl::string_view bytes, std::size_t offset) {
  return static_cast<std::uint32_t>(ReadLe(bytes, offset, 4));
}

bool AllZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

std::string Firmware(absl::string_view bytes, std::size_t offset) {  // build, minor, major
  return absl::StrCat(ReadLe(bytes, offset + 2, 1), ".", ReadLe(bytes, offset + 1, 1), ".", ReadLe(bytes, offset, 1));
}

Finding Malformed(absl::string_view claim, absl::string_view seen, absl::string_view expected) {
  return Finding{v1::DENY_REASON_EVIDENCE_MALFORMED, std::string(claim), std::string(seen), std::string(expected),
                 kSource};
}

struct ReservedRange {
  std::size_t begin, end;
};

void CheckReservedZero(const SnpReport& report, absl::string_view bytes, std::vector<Finding>& findings) {
  std::vector<ReservedRange> ranges = {{0x4c, 0x50}, {0x1eb, 0x1ec}, {0x1ef, 0x1f0}, {0x208, 0x2a0}, {0x330, 0x4a0}};
  ranges.push_back(report.version >= 3 ? ReservedRange{0x18b, 0x1a0}
                                       : ReservedRange{0x188, 0x1a0});  // CPUID bytes came with version 3
  if (report.version < 5) ranges.push_back({0x1f8, 0x208});             // mitigation vectors came with version 5
  for (const ReservedRange& range : ranges) {
    absl::string_view part = bytes.substr(range.begin, range.end - range.begin);
    if (!AllZero(part)) {
      std::string seen = part.size() > 32 ? "non-zero bytes" : ToHex(part);
      findings.push_back(
          Malformed(absl::StrFormat("report[0x%x..0x%x)", range.begin, range.end), seen, "reserved, zero"));
    }
  }
}

void CheckPolicyBits(const SnpReport& report, std::vector<Finding>& findings) {
  const std::string seen = absl::StrFormat("0x%x", report.policy);
  if (!(report.policy & (std::uint64_t{1} << 17)))
    findings.push_back(Malformed("policy", seen, "bit 17 set (reserved, one)"));
  // Bits 25 (PAGE_SWAP_DISABLE) and below are defined; a bit that we cannot read is a permission that we cannot judge.
  if (report.policy >> 26) findings.push_back(Malformed("policy", seen, "bits 26..63 zero"));
}

void CheckTcbReserved(const SnpReport& report, std::vector<Finding>& findings) {
  const bool turin = SnpProductOf(report) == SnpProduct::kTurin;
  const std::uint64_t reserved = turin ? 0x00ffffff00000000 : 0x0000ffffffff0000;
  const std::pair<const char*, std::uint64_t> tcbs[] = {{"current_tcb", report.current_tcb},
                                                        {"reported_tcb", report.reported_tcb},
                                                        {"committed_tcb", report.committed_tcb},
                                                        {"launch_tcb", report.launch_tcb}};
  for (const auto& [name, raw] : tcbs) {
    if (raw & reserved)
      findings.push_back(Malformed(name, absl::StrFormat("0x%016x", raw), "reserved components zero"));
  }
}

void CheckSigningKey(const SnpReport& report, std::vector<Finding>& findings) {
  const std::string seen = absl::StrFormat("0x%x", report.key_info);
  if (report.key_info >> 5) findings.push_back(Malformed("key_info", seen, "bits 5..31 zero"));
  if (report.chip_key_masked()) {
    findings.push_back({v1::DENY_REASON_EVIDENCE_UNSIGNED, "key_info.mask_chip_key", seen,
                        "0: with MASK_CHIP_KEY the firmware signs nothing", kSource});
  }
  switch (report.signing_key()) {
    case static_cast<std::uint32_t>(SnpSigningKey::kVcek):
    case static_cast<std::uint32_t>(SnpSigningKey::kVlek):
      return;
    case static_cast<std::uint32_t>(SnpSigningKey::kNone):
      findings.push_back(
          {v1::DENY_REASON_EVIDENCE_UNSIGNED, "signing_key", "none (7)", "VCEK (0) or VLEK (1)", kSource});
      return;
    default:
      findings.push_back(Malformed("signing_key", absl::StrCat(report.signing_key()), "VCEK (0) or VLEK (1)"));
  }
}

std::string SigningKeyName(const SnpReport& report) {
  switch (report.signing_key()) {
    case static_cast<std::uint32_t>(SnpSigningKey::kVcek):
      return "VCEK";
    case static_cast<std::uint32_t>(SnpSigningKey::kVlek):
      return "VLEK";
    case static_cast<std::uint32_t>(SnpSigningKey::kNone):
      return "none";
    default:
      return absl::StrCat("reserved ", report.signing_key());
  }
}

}  // namespace

std::string SnpProductName(SnpProduct product) {
  switch (product) {
    case SnpProduct::kMilan:
      return "Milan";
    case SnpProduct::kGenoa:
      return "Genoa";
    case SnpProduct::kTurin:
      return "Turin";
    case SnpProduct::kUnknown:
      break;
  }
  return "unknown";
}

SnpReport ReadSnpReport(absl::string_view b) {
  SnpReport r;
  const auto text = [b](std::size_t offset, std::size_t size) { return std::string(b.substr(offset, size)); };
  r.version = ReadU32(b, 0x00);
  r.guest_svn = ReadU32(b, 0x04);
  r.policy = ReadLe(b, 0x08, 8);
  r.family_id = text(0x10, 16);
  r.image_id = text(0x20, 16);
  r.vmpl = ReadU32(b, 0x30);
  r.signature_algo = ReadU32(b, 0x34);
  r.current_tcb = ReadLe(b, 0x38, 8);
  r.platform_info = ReadLe(b, 0x40, 8);
  r.key_info = ReadU32(b, 0x48);
  r.report_data = text(0x50, 64);
  r.measurement = text(0x90, 48);
  r.host_data = text(0xc0, 32);
  r.id_key_digest = text(0xe0, 48);
  r.author_key_digest = text(0x110, 48);
  r.report_id = text(0x140, 32);
  r.report_id_ma = text(0x160, 32);
  r.reported_tcb = ReadLe(b, 0x180, 8);
  r.cpuid_family = static_cast<std::uint8_t>(b[0x188]);
  r.cpuid_model = static_cast<std::uint8_t>(b[0x189]);
  r.cpuid_stepping = static_cast<std::uint8_t>(b[0x18a]);
  r.chip_id = text(0x1a0, 64);
  r.committed_tcb = ReadLe(b, 0x1e0, 8);
  r.current_fw = Firmware(b, 0x1e8);
  r.committed_fw = Firmware(b, 0x1ec);
  r.launch_tcb = ReadLe(b, 0x1f0, 8);
  r.launch_mit_vector = ReadLe(b, 0x1f8, 8);
  r.current_mit_vector = ReadLe(b, 0x200, 8);
  return r;
}

std::vector<Finding> CheckSnpReportForm(const SnpReport& report, absl::string_view bytes) {
  std::vector<Finding> findings;
  if (report.version != 2 && report.version != 3 && report.version != 5) {
    // What the other bytes of an unknown version mean is unknown too: no further check of form.
    findings.push_back(
        {v1::DENY_REASON_EVIDENCE_VERSION_UNSUPPORTED, "version", absl::StrCat(report.version), "2, 3 or 5", kSource});
    return findings;
  }
  CheckReservedZero(report, bytes, findings);
  if (report.signature_algo != 1) {
    findings.push_back(
        Malformed("signature_algo", absl::StrCat(report.signature_algo), "1 (ECDSA P-384 with SHA-384)"));
  }
  CheckPolicyBits(report, findings);
  CheckTcbReserved(report, findings);
  // 0xffffffff marks a report that the host asked for (SNP_HV_REPORT_REQ): it says nothing about who holds report_data.
  if (report.vmpl > 3) findings.push_back(Malformed("vmpl", absl::StrCat(report.vmpl), "0..3"));
  CheckSigningKey(report, findings);
  if (report.version >= 3 && SnpProductOf(report) == SnpProduct::kUnknown) {
    findings.push_back({v1::DENY_REASON_EVIDENCE_VERSION_UNSUPPORTED, "cpuid_fms",
                        absl::StrFormat("%02x%02x%02x", report.cpuid_family, report.cpuid_model, report.cpuid_stepping),
                        "a Milan, Genoa (Siena, Bergamo) or Turin processor: its TCB order is known", kSource});
  }
  return findings;
}

SnpProduct SnpProductOf(const SnpReport& report) {
  if (report.version < 3) return SnpProduct::kUnknown;
  const int model = report.cpuid_model;
  if (report.cpuid_family == 0x19 && model <= 0x0f) return SnpProduct::kMilan;
  if (report.cpuid_family == 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)))
    return SnpProduct::kGenoa;
  if (report.cpuid_family == 0x1a && model <= 0x1f) return SnpProduct::kTurin;
  return SnpProduct::kUnknown;
}

SnpTcb DecodeSnpTcb(std::uint64_t raw, SnpProduct product) {
  const auto byte = [raw](int i) { return static_cast<std::uint8_t>(raw >> (8 * i)); };
  SnpTcb tcb;
  tcb.ucode = byte(7);
  if (product == SnpProduct::kTurin) {
    tcb.has_fmc = true;
    tcb.fmc = byte(0);
    tcb.bl = byte(1);
    tcb.tee = byte(2);
    tcb.snp = byte(3);
    return tcb;
  }
  tcb.bl = byte(0);
  tcb.tee = byte(1);
  tcb.snp = byte(6);
  return tcb;
}

nlohmann::json SnpTcbJson(const SnpTcb& tcb) {
  nlohmann::json json = {{"bl", tcb.bl}, {"tee", tcb.tee}, {"snp", tcb.snp}, {"ucode", tcb.ucode}};
  if (tcb.has_fmc) json["fmc"] = tcb.fmc;
  return json;
}

nlohmann::json SnpReportClaims(const SnpReport& r, SnpProduct product) {
  nlohmann::json claims = {
      {"version", r.version},
      {"product", SnpProductName(product)},
      {"guest_svn", r.guest_svn},
      {"policy", absl::StrFormat("0x%x", r.policy)},
      {"debug", r.debug()},
      {"migrate_ma", r.migrate_ma()},
      {"smt", r.smt()},
      {"abi_major", (r.policy >> 8) & 0xff},
      {"abi_minor", r.policy & 0xff},
      {"family_id", ToHex(r.family_id)},
      {"image_id", ToHex(r.image_id)},
      {"vmpl", r.vmpl},
      {"platform_info", absl::StrFormat("0x%x", r.platform_info)},
      {"key_info", absl::StrFormat("0x%x", r.key_info)},
      {"signing_key", SigningKeyName(r)},
      {"author_key_enabled", r.author_key_enabled()},
      {"report_data", ToHex(r.report_data)},
      {"measurement", ToHex(r.measurement)},
      {"host_data", ToHex(r.host_data)},
      {"id_key_digest", ToHex(r.id_key_digest)},
      {"author_key_digest", ToHex(r.author_key_digest)},
      {"report_id", ToHex(r.report_id)},
      {"report_id_ma", ToHex(r.report_id_ma)},
      {"cpuid_fms", absl::StrFormat("%02x%02x%02x", r.cpuid_family, r.cpuid_model, r.cpuid_stepping)},
      {"chip_id", ToHex(r.chip_id)},
      {"current_fw", r.current_fw},
      {"committed_fw", r.committed_fw},
      {"current_tcb", SnpTcbJson(DecodeSnpTcb(r.current_tcb, product))},
      {"reported_tcb", SnpTcbJson(DecodeSnpTcb(r.reported_tcb, product))},
      {"committed_tcb", SnpTcbJson(DecodeSnpTcb(r.committed_tcb, product))},
      {"launch_tcb", SnpTcbJson(DecodeSnpTcb(r.launch_tcb, product))},
  };
  if (r.version >= 5) {
    claims["launch_mit_vector"] = absl::StrFormat("0x%x", r.launch_mit_vector);
    claims["current_mit_vector"] = absl::StrFormat("0x%x", r.current_mit_vector);
  }
  return claims;
}

}  // namespace twi::verifier
