#include "services/verifier/formats/snp_tsm_report.h"

#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/encoding/encoding.h"
#include "common/snp_cert_table/snp_cert_table.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace twi::verifier {
namespace {

constexpr std::size_t kMaxSize = 256 * 1024;
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

// A SAX reader of one flat object: no tree, so nesting costs nothing and a repeated key is seen.
class FlatReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Value(""); }
  bool boolean(bool) override { return Value(""); }
  bool number_integer(number_integer_t) override { return Value(""); }
  bool number_unsigned(number_unsigned_t) override { return Value(""); }
  bool number_float(number_float_t, const string_t&) override { return Value(""); }
  bool string(string_t& text) override { return Value(std::move(text)); }
  bool binary(binary_t&) override { return Fail("binary value"); }
  bool start_object(std::size_t) override { return std::exchange(in_object_, true) ? Fail("nested object") : true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return Fail("array"); }
  bool end_array() override { return false; }
  bool key(string_t& name) override {
    if (map.size() == kMaxEntries) return Fail("too many keys");
    key_ = name;
    return map.emplace(std::move(name), "").second ? true : Fail("a key twice");
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return Fail("not JSON");
  }

  FlatMap map;
  std::string error;

 private:
  bool Value(std::string text) {
    if (!in_object_) return Fail("not an object");
    map[key_] = std::move(text);
    return true;
  }
  bool Fail(const char* what) {
    if (error.empty()) error = what;
    return false;
  }
  bool in_object_ = false;
  std::string key_;
};

// Reader of the CBOR subset above. Every length is compared with what is left before it is used.
class CborReader {
 public:
  explicit CborReader(absl::string_view bytes) : rest_(bytes) {}

  // Initial byte and argument (RFC 8949 section 3).
  absl::StatusOr<std::pair<int, std::uint64_t>> Head() {
    if (rest_.empty()) return Malformed("CBOR ends early");
    const auto first = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    const int major = first >> 5, info = first & 0x1f;
    if (info < 24) return std::make_pair(major, std::uint64_t(info));
    if (info > 27) return Malformed("CBOR of indefinite or reserved length");
    const std::size_t size = std::size_t{1} << (info - 24);
    if (rest_.size() < size) return Malformed("CBOR ends early");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = (value << 8) | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(size);
    const std::uint64_t least = size == 1 ? 24 : std::uint64_t{1} << (4 * size);
    if (major != 7 && value < least) return Malformed("CBOR length not in shortest form");
    return std::make_pair(major, value);
  }

  absl::StatusOr<std::string> Bytes(std::uint64_t size) {
    if (size > rest_.size()) return Malformed("CBOR string longer than the file");
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }

  bool done() const { return rest_.empty(); }

 private:
  absl::string_view rest_;
};

constexpr int kUint = 0, kNint = 1, kBytes = 2, kText = 3, kMap = 5, kSimple = 7;

absl::Status CheckType(absl::string_view key, int major) {
  if ((key == "outblob" || key == "auxblob") && major != kBytes)
    return Malformed(absl::StrCat(key, " is not a byte string"));
  if (key == "provider" && major != kText) return Malformed("provider is not a text string");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TsmReport> ParseTsmReportJson(absl::string_view text) {
  if (text.size() > kMaxSize) return Malformed("over 256 KiB");
  FlatReader reader;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader) || !reader.error.empty()) {
    return Malformed(reader.error.empty() ? "not JSON" : reader.error);
  }
  for (const char* blob : {"outblob", "auxblob"}) {
    auto found = reader.map.find(blob);
    if (found == reader.map.end()) continue;
    absl::StatusOr<std::string> bytes = FromBase64Url(found->second);
    if (!bytes.ok()) return Malformed(absl::StrCat(blob, " is not base64url"));
    found->second = *std::move(bytes);
  }
  return FromMap(std::move(reader.map));
}

absl::StatusOr<TsmReport> ParseTsmReportCbor(absl::string_view bytes) {
  if (bytes.size() > kMaxSize) return Malformed("over 256 KiB");
  CborReader reader(bytes);
  TWI_ASSIGN_OR_RETURN(const auto map_head, reader.Head());
  if (map_head.first != kMap || map_head.second > kMaxEntries) return Malformed("not a CBOR map of at most 16 entries");
  FlatMap map;
  for (std::uint64_t i = 0; i < map_head.second; ++i) {
    TWI_ASSIGN_OR_RETURN(const auto key_head, reader.Head());
    if (key_head.first != kText) return Malformed("a key is not text");
    TWI_ASSIGN_OR_RETURN(std::string key, reader.Bytes(key_head.second));
    TWI_ASSIGN_OR_RETURN(const auto head, reader.Head());
    TWI_RETURN_IF_ERROR(CheckType(key, head.first));
    std::string value;
    if (head.first == kBytes || head.first == kText) {
      TWI_ASSIGN_OR_RETURN(value, reader.Bytes(head.second));
    } else if (head.first != kUint && head.first != kNint && head.first != kSimple) {
      return Malformed("nested value");
    }
    if (!map.emplace(std::move(key), std::move(value)).second) return Malformed("a key twice");
  }
  if (!reader.done()) return Malformed("bytes after the map");
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
