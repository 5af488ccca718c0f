#include "common/cmw/cmw.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/jose/json.h"
#include "common/status/deny.h"
#include "nlohmann/json.hpp"

namespace twi {
namespace {

constexpr std::size_t kMaxMediaType = 255;
constexpr int kCborUint = 0, kCborBytes = 2, kCborText = 3, kCborArray = 4;  // RFC 8949 section 3.1: major types

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

// A head of definite length in its shortest form, of at most 32 bits.
bool TakeHead(absl::string_view& in, int major, std::uint64_t& value) {
  if (in.empty()) return false;
  const auto first = static_cast<unsigned char>(in[0]);
  const int info = first & 0x1F;
  in.remove_prefix(1);
  if (first >> 5 != major || info > 26) return false;
  value = static_cast<std::uint64_t>(info);
  if (info < 24) return true;
  const std::size_t size = std::size_t{1} << (info - 24);
  if (in.size() < size) return false;
  value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  in.remove_prefix(size);
  return value >= (size == 1 ? 24u : size == 2 ? 0x100u : 0x10000u);
}

bool TakeString(absl::string_view& in, int major, std::string& out) {
  std::uint64_t size = 0;
  if (!TakeHead(in, major, size) || size > in.size()) return false;
  out = std::string(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

void AppendHead(std::string& out, int major, std::uint64_t value) {
  const int size = value < 24 ? 0 : value <= 0xFF ? 1 : value <= 0xFFFF ? 2 : 4;
  const int info = size == 0 ? static_cast<int>(value) : size == 1 ? 24 : size == 2 ? 25 : 26;
  out.push_back(static_cast<char>(major << 5 | info));
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

}  // namespace

absl::StatusOr<CmwRecord> ReadCmwCbor(absl::string_view in) {
  std::uint64_t count = 0, indicator = 0;
  if (!TakeHead(in, kCborArray, count) || count < 2 || count > 3) return Malformed("no array of two or three");
  CmwRecord record;
  if (!TakeString(in, kCborText, record.media_type)) return Malformed("the type is no text");
  if (!TakeString(in, kCborBytes, record.value)) return Malformed("the value is no byte string");
  if (count == 3 && (!TakeHead(in, kCborUint, indicator) || indicator != kCmwEvidenceIndicator))
    return Malformed("the indicator is not Evidence alone");
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
  if (!json->is_array() || json->size() < 2 || json->size() > 3) return Malformed("no array of two or three");
  if (!(*json)[0].is_string() || !(*json)[1].is_string()) return Malformed("type or value is no string");
  if (json->size() == 3 && (*json)[2] != nlohmann::json(kCmwEvidenceIndicator))
    return Malformed("the indicator is not Evidence alone");
  const auto value = FromBase64Url((*json)[1].get_ref<const std::string&>());
  if (!value.ok()) return Malformed("the value is no base64url");
  return Checked({(*json)[0].get<std::string>(), *value});
}

}  // namespace twi
