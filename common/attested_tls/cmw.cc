#include "common/attested_tls/cmw.h"

#include "common/status/deny.h"

namespace twi::atls {
namespace {

constexpr unsigned char kDerOctetString = 0x04;

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

}  // namespace

std::string WriteCmwExtension(const CmwRecord& record) {
  const std::string cbor = WriteCmwCbor(record);
  std::string out(1, static_cast<char>(kDerOctetString));
  if (cbor.size() < 0x80) {
    out.push_back(static_cast<char>(cbor.size()));
  } else {
    const int bytes = cbor.size() <= 0xFF ? 1 : cbor.size() <= 0xFFFF ? 2 : 3;
    out.push_back(static_cast<char>(0x80 | bytes));
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      out.push_back(static_cast<char>((cbor.size() >> shift) & 0xFF));
  }
  return out + cbor;
}

absl::StatusOr<CmwRecord> ReadCmwExtension(absl::string_view extension_value) {
  absl::string_view cbor;
  if (!TakeOctetString(extension_value, cbor)) {
    return Deny(v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED, "id-pe-cmw is not one DER OCTET STRING (choice cbor)");
  }
  absl::StatusOr<CmwRecord> record = ReadCmwCbor(cbor);
  if (!record.ok()) return Deny(v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED, record.status().message());
  return record;
}

}  // namespace twi::atls
