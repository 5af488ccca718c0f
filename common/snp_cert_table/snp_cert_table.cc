#include "common/snp_cert_table/snp_cert_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"

namespace twi {
namespace {

constexpr std::size_t kEntrySize = 24;
constexpr std::size_t kMaxEntries = 16;
constexpr std::size_t kMaxSize = 64 * 1024;

absl::Status Malformed(absl::string_view what) {
  return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, absl::StrCat("certificate table: ", what));
}

std::uint32_t ReadU32(absl::string_view bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[offset + i]);
  return value;
}

std::string GuidText(absl::string_view bytes) {
  const std::string hex = ToHex(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

std::string WhatOf(absl::string_view guid) {
  if (guid == "63da758d-e664-4564-adc5-f4b93be8accd") return "VCEK";
  if (guid == "a8074bc2-a25a-483e-aae6-39c045a0b8a1") return "VLEK";
  if (guid == "4ab7b379-bbac-4fe4-a02f-05aef327c782") return "ASK";
  if (guid == "c0b406a4-a803-4952-9743-3fb6014cd0ae") return "ARK";
  return "";
}

bool IsZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

absl::Status CheckRanges(const std::vector<SnpCertTableEntry>& entries, std::size_t table_size, std::size_t size) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const SnpCertTableEntry& entry : entries) {
    const std::uint64_t end = std::uint64_t{entry.offset} + entry.length;
    if (entry.length == 0 || entry.offset < table_size || end > size) {
      return Malformed(absl::StrCat("entry ", entry.guid, " spans ", entry.offset, "..", end, " of ", size, " bytes"));
    }
    ranges.emplace_back(entry.offset, end);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) return Malformed("entries overlap");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SnpCertTableEntry>> ParseSnpCertTable(absl::string_view bytes) {
  if (bytes.size() > kMaxSize) return Malformed(absl::StrCat(bytes.size(), " bytes, at most ", kMaxSize));
  std::vector<SnpCertTableEntry> entries;
  if (bytes.empty()) return entries;
  std::size_t offset = 0;
  for (;; offset += kEntrySize) {
    if (bytes.size() - offset < kEntrySize) return Malformed("no terminating zero entry");
    const absl::string_view entry = bytes.substr(offset, kEntrySize);
    if (IsZero(entry)) break;
    if (entries.size() == kMaxEntries) return Malformed(absl::StrCat("more than ", kMaxEntries, " entries"));
    SnpCertTableEntry parsed;
    parsed.guid = GuidText(entry.substr(0, 16));
    parsed.what = WhatOf(parsed.guid);
    parsed.offset = ReadU32(entry, 16);
    parsed.length = ReadU32(entry, 20);
    for (const SnpCertTableEntry& other : entries) {
      if (other.guid == parsed.guid && !parsed.what.empty())
        return Malformed(absl::StrCat("two entries of ", parsed.what));
    }
    entries.push_back(std::move(parsed));
  }
  if (absl::Status ranges = CheckRanges(entries, offset + kEntrySize, bytes.size()); !ranges.ok()) return ranges;
  for (SnpCertTableEntry& entry : entries) entry.data = std::string(bytes.substr(entry.offset, entry.length));
  return entries;
}

bool LooksLikeSnpCertTable(absl::string_view bytes) {
  return bytes.size() >= kEntrySize && !WhatOf(GuidText(bytes.substr(0, 16))).empty();
}

}  // namespace twi
