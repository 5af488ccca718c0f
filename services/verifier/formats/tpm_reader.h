// Reads a buffer of untrusted bytes field by field. The first field that runs past the end makes the reader fail for
// good; values read after that are zero or empty, so a parser reads a whole structure and then asks once. Lengths and
// counts are compared with what is left before anything is allocated.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_READER_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_READER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status/deny.h"

namespace twi::verifier {

// TPM structures are big endian; event logs and tpm2-tools' dumps are little endian.
enum class ByteOrder { kBigEndian, kLittleEndian };

class TpmReader {
 public:
  // `bytes` must outlive the reader and the views it returns.
  TpmReader(absl::string_view bytes, ByteOrder order) : bytes_(bytes), order_(order) {}

  std::uint8_t U8(absl::string_view field) { return static_cast<std::uint8_t>(Integer(1, field)); }
  std::uint16_t U16(absl::string_view field) { return static_cast<std::uint16_t>(Integer(2, field)); }
  std::uint32_t U32(absl::string_view field) { return static_cast<std::uint32_t>(Integer(4, field)); }
  std::uint64_t U64(absl::string_view field) { return Integer(8, field); }

  absl::string_view Bytes(std::size_t size, absl::string_view field) {
    if (!error_.empty()) return {};
    if (size > left()) {
      Fail(absl::StrCat(field, ": ", size, " bytes, ", left(), " left"));
      return {};
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  // TPM2B_*: a 16-bit size, at most `max`, and that many bytes.
  absl::string_view Sized(std::size_t max, absl::string_view field) {
    const std::size_t size = U16(field);
    if (size > max) {
      Fail(absl::StrCat(field, ": ", size, " bytes, at most ", max));
      return {};
    }
    return Bytes(size, field);
  }

  // The first failure stays.
  void Fail(absl::string_view what) {
    if (error_.empty()) error_ = std::string(what);
  }

  bool ok() const { return error_.empty(); }
  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  // OK, or EVIDENCE_MALFORMED with `structure` and the first failure.
  absl::Status Check(absl::string_view structure) const {
    if (ok()) return absl::OkStatus();
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat(structure, ": ", error_));
  }
  // The same, and nothing may be left over.
  absl::Status CheckWhole(absl::string_view structure) {
    if (left() > 0) Fail(absl::StrCat(left(), " trailing bytes"));
    return Check(structure);
  }

 private:
  std::uint64_t Integer(std::size_t size, absl::string_view field) {
    const absl::string_view raw = Bytes(size, field);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const std::size_t from = order_ == ByteOrder::kBigEndian ? i : raw.size() - 1 - i;
      value = value << 8 | static_cast<std::uint8_t>(raw[from]);
    }
    return value;
  }

  absl::string_view bytes_;
  ByteOrder order_;
  std::size_t at_ = 0;
  std::string error_;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_READER_H_
