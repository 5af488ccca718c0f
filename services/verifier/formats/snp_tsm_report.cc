#include "services/verifier/formats/snp_tsm_report.h"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/cmw/cbor_head.h"
#include "common/encoding/encoding.h"
#include "common/jose/json.h"
#include "common/snp_cert_table/snp_cert_table.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"
#include "services/verifier/formats/format.h"

namespace twi::verifier {
namespace {

constexpr std::size_t kMaxEntries = 16;
constexpr int kMaxSnpCertificates = 8;

absl::Status Malformed(absl::string_view what) {
  return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("tsm report: ", what));
}

// Key to its text or bytes; what is neither (a number, null) is kept as "".
using FlatMap = std::map<std::string, std::string>;

absl::StatusOr<TsmReport> FromMap(FlatMap map) {
  TsmReport report;
  report.provider = std::string(absl::StripSuffix(map["provider"], "\n"));
  report.outblob = std::move(map["outblob"]);
  report.auxblob = std::move(map["auxblob"]);
  if (report.provider.empty()) return Malformed("no provider");
  if (report.outblob.empty()) return Malformed("no outblob");
  return report;
}

absl::Status CheckType(absl::string_view key, int major) {
  if ((key == "outblob" || key == "auxblob") && major != kCborBytes)
    return Malformed(absl::StrCat(key, " is not a byte string"));
  if (key == "provider" && major != kCborText) return Malformed("provider is not a text string");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TsmReport> ParseTsmReportJson(absl::string_view text) {
  const absl::StatusOr<nlohmann::json> json = jose::ParseJson(text, kMaxEvidence, 1);
  if (!json.ok()) return Malformed(json.status().message());
  if (!json->is_object() || json->size() > kMaxEntries) return Malformed("no object of at most 16 members");
  FlatMap map;
  for (const auto& [name, value] : json->items()) {
    std::string& text_or_bytes = map[name];
    if (value.is_string()) text_or_bytes = value.get<std::string>();
    if (name != "outblob" && name != "auxblob") continue;
    absl::StatusOr<std::string> bytes = FromBase64Url(text_or_bytes);
    if (!value.is_string() || !bytes.ok()) return Malformed(absl::StrCat(name, " is not base64url"));
    text_or_bytes = *std::move(bytes);
  }
  return FromMap(std::move(map));
}

absl::StatusOr<TsmReport> ParseTsmReportCbor(absl::string_view in) {
  if (in.size() > kMaxEvidence) return Malformed("over 256 KiB");
  const std::optional<CborHead> entries = TakeCborHead(in);
  if (!entries.has_value() || entries->major != kCborMap || entries->value > kMaxEntries)
    return Malformed("not a CBOR map of at most 16 entries");
  FlatMap map;
  for (std::uint64_t i = 0; i < entries->value; ++i) {
    std::string key, value;
    if (!TakeCborString(in, kCborText, key)) return Malformed("a key is not text");
    const std::optional<CborHead> head = TakeCborHead(in);
    if (!head.has_value()) return Malformed("a value ends early, or has a length not in shortest form");
    TWI_RETURN_IF_ERROR(CheckType(key, head->major));
    if (head->major == kCborBytes || head->major == kCborText) {
      if (!TakeCborContent(in, head->value, value)) return Malformed("a string longer than the file");
    } else if (head->major != kCborUint && head->major != kCborNegative && head->major != kCborSimple) {
      return Malformed("nested value");
    }
    if (!map.emplace(std::move(key), std::move(value)).second) return Malformed("a key twice");
  }
  if (!in.empty()) return Malformed("bytes after the map");
  return FromMap(std::move(map));
}

absl::StatusOr<v1::SnpEvidence> SnpEvidenceOf(const TsmReport& tsm) {
  if (tsm.provider != "sev_guest") {
    return Deny(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED,
                absl::StrCat("tsm report of provider \"", tsm.provider, "\"; sev_guest is supported"));
  }
  v1::SnpEvidence evidence;
  evidence.set_report(tsm.outblob);
  if (tsm.auxblob.empty()) return evidence;
  TWI_ASSIGN_OR_RETURN(const std::vector<SnpCertTableEntry> entries, ParseSnpCertTable(tsm.auxblob));
  for (const SnpCertTableEntry& entry : entries) {
    if (!entry.what.empty()) evidence.add_certificates(entry.data);
  }
  if (evidence.certificates_size() > kMaxSnpCertificates)
    return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, "more than 8 certificates");
  return evidence;
}

}  // namespace twi::verifier
