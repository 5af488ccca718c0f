#include "common/cmw/cmw.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/cmw/cbor_head.h"
#include "common/encoding/encoding.h"
#include "common/jose/json.h"
#include "common/status/deny.h"
#include "nlohmann/json.hpp"

namespace twi {
namespace {

constexpr std::size_t kMaxMediaType = 255;

absl::Status Malformed(absl::string_view what) {
  return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("CMW: ", what));
}

absl::StatusOr<CmwRecord> Checked(CmwRecord record) {
  const bool printable = std::all_of(record.media_type.begin(), record.media_type.end(),
                                     [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
  if (record.media_type.empty() || record.media_type.size() > kMaxMediaType || !printable)
    return Malformed("the type is no media type");
  if (record.value.empty()) return Malformed("the value is empty");
  return record;
}

void AppendHead(std::string& out, int major, std::uint64_t value) {
  const int size = value < 24 ? 0 : value <= 0xFF ? 1 : value <= 0xFFFF ? 2 : 4;
  const int info = size == 0 ? static_cast<int>(value) : size == 1 ? 24 : size == 2 ? 25 : 26;
  out.push_back(static_cast<char>(major << 5 | info));
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

}  // namespace

absl::StatusOr<CmwRecord> ReadCmwCbor(absl::string_view in) {
  const std::optional<CborHead> array = TakeCborHead(in);
  if (!array.has_value() || array->major != kCborArray || array->value < 2 || array->value > 3)
    return Malformed("no array of two or three");
  CmwRecord record;
  if (!TakeCborString(in, kCborText, record.media_type)) return Malformed("the type is no text");
  if (!TakeCborString(in, kCborBytes, record.value)) return Malformed("the value is no byte string");
  if (array->value == 3) {
    const std::optional<CborHead> indicator = TakeCborHead(in);
    if (!indicator.has_value() || indicator->major != kCborUint || indicator->value != kCmwEvidenceIndicator)
      return Malformed("the indicator is not Evidence alone");
  }
  if (!in.empty()) return Malformed("something behind it");
  return Checked(std::move(record));
}

std::string WriteCmwCbor(const CmwRecord& record) {
  std::string out;
  AppendHead(out, kCborArray, 3);
  AppendHead(out, kCborText, record.media_type.size());
  out += record.media_type;
  AppendHead(out, kCborBytes, record.value.size());
  out += record.value;
  AppendHead(out, kCborUint, kCmwEvidenceIndicator);
  return out;
}

absl::StatusOr<CmwRecord> ReadCmwJson(absl::string_view text, std::size_t max_size) {
  const absl::StatusOr<nlohmann::json> json = jose::ParseJson(text, max_size, 1);
  if (!json.ok()) return Malformed(json.status().message());
  const bool array = json->is_array() && (json->size() == 2 || json->size() == 3);
  const bool object = json->is_object() && json->size() == 2 && json->contains("typ") && json->contains("val");
  if (!array && !object) return Malformed("neither an array of two or three nor an object of typ and val");
  const nlohmann::json& type = array ? json->at(0) : json->at("typ");
  const nlohmann::json& value = array ? json->at(1) : json->at("val");
  if (!type.is_string() || !value.is_string()) return Malformed("type or value is no string");
  if (json->size() == 3 && json->at(2) != nlohmann::json(kCmwEvidenceIndicator))
    return Malformed("the indicator is not Evidence alone");
  auto bytes = FromBase64Url(value.get_ref<const std::string&>());
  if (!bytes.ok()) return Malformed("the value is no base64url");
  return Checked({type.get<std::string>(), *std::move(bytes)});
}

}  // namespace twi
