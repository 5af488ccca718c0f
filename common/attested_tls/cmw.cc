#include "common/attested_tls/cmw.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/code_points.h"
#include "common/status/deny.h"

namespace twi::atls {
namespace {

constexpr int kCborUint = 0, kCborBytes = 2, kCborText = 3, kCborArray = 4;  // RFC 8949 section 3.1: major types
constexpr unsigned char kDerOctetString = 0x04;

void AppendBigEndian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

void AppendCborHead(std::string& out, int major, std::uint64_t value) {
  const int high = major << 5;
  if (value < 24) {
    out.push_back(static_cast<char>(high | static_cast<int>(value)));
  } else if (value <= 0xFF) {
    out.push_back(static_cast<char>(high | 24));
    AppendBigEndian(out, value, 1);
  } else if (value <= 0xFFFF) {
    out.push_back(static_cast<char>(high | 25));
    AppendBigEndian(out, value, 2);
  } else {
    out.push_back(static_cast<char>(high | 26));
    AppendBigEndian(out, value, 4);
  }
}

// Head of definite length in its shortest form, of at most 32 bits.
bool TakeCborHead(absl::string_view& in, int& major, std::uint64_t& value) {
  if (in.empty()) return false;
  const auto first = static_cast<unsigned char>(in[0]);
  major = first >> 5;
  const int info = first & 0x1F;
  in.remove_prefix(1);
  if (info < 24) {
    value = static_cast<std::uint64_t>(info);
    return true;
  }
  if (info > 26) return false;
  const std::size_t bytes = std::size_t{1} << (info - 24);
  if (in.size() < bytes) return false;
  value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  in.remove_prefix(bytes);
  return value >= (bytes == 1 ? 24u : bytes == 2 ? 0x100u : 0x10000u);
}

bool TakeCborString(absl::string_view& in, int wanted_major, std::string& out) {
  int major = 0;
  std::uint64_t size = 0;
  if (!TakeCborHead(in, major, size) || major != wanted_major || size == 0 || size > in.size()) return false;
  out = std::string(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

// X.690 section 10.1: definite, shortest.
bool TakeOctetString(absl::string_view in, absl::string_view& content) {
  if (in.size() < 2 || static_cast<unsigned char>(in[0]) != kDerOctetString) return false;
  std::size_t size = static_cast<unsigned char>(in[1]);
  in.remove_prefix(2);
  if (size >= 0x80) {
    const std::size_t bytes = size & 0x7F;
    if (bytes < 1 || bytes > 3 || in.size() < bytes || in[0] == 0) return false;
    size = 0;
    for (std::size_t i = 0; i < bytes; ++i) size = size << 8 | static_cast<unsigned char>(in[i]);
    in.remove_prefix(bytes);
    if (size < 0x80) return false;
  }
  content = in;
  return in.size() == size;
}

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED, detail); }

}  // namespace

std::string WriteCmwExtension(const CmwRecord& record) {
  std::string cbor;
  AppendCborHead(cbor, kCborArray, 3);
  AppendCborHead(cbor, kCborText, record.media_type.size());
  cbor += record.media_type;
  AppendCborHead(cbor, kCborBytes, record.value.size());
  cbor += record.value;
  AppendCborHead(cbor, kCborUint, kCmwEvidence);
  std::string out(1, static_cast<char>(kDerOctetString));
  if (cbor.size() < 0x80) {
    out.push_back(static_cast<char>(cbor.size()));
  } else {
    const int bytes = cbor.size() <= 0xFF ? 1 : cbor.size() <= 0xFFFF ? 2 : 3;
    out.push_back(static_cast<char>(0x80 | bytes));
    AppendBigEndian(out, cbor.size(), bytes);
  }
  return out + cbor;
}

absl::StatusOr<CmwRecord> ReadCmwExtension(absl::string_view extension_value) {
  absl::string_view in;
  if (!TakeOctetString(extension_value, in)) return Malformed("id-pe-cmw is not one DER OCTET STRING (choice cbor)");
  int major = 0;
  std::uint64_t count = 0;
  if (!TakeCborHead(in, major, count) || major != kCborArray || count < 2 || count > 3)
    return Malformed("the CMW is no CBOR record: an array of two or three is expected");
  CmwRecord record;
  if (!TakeCborString(in, kCborText, record.media_type) || record.media_type.size() > kMaxMediaType ||
      !std::all_of(record.media_type.begin(), record.media_type.end(), [](char c) { return c >= 0x20 && c < 0x7F; }))
    return Malformed("the CMW's type is no media type");
  if (!TakeCborString(in, kCborBytes, record.value)) return Malformed("the CMW's value is no byte string");
  if (count == 3) {
    std::uint64_t indicator = 0;
    if (!TakeCborHead(in, major, indicator) || major != kCborUint || indicator != kCmwEvidence)
      return Malformed("the CMW's indicator is not Evidence alone");
  }
  if (!in.empty()) return Malformed(absl::StrCat(in.size(), " bytes after the CMW"));
  return record;
}

}  // namespace twi::atls
