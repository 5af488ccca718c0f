// Heads and strings of untrusted CBOR (RFC 8949), for readers of small fixed forms: definite lengths in their shortest
// form (section 4.2.1), nothing else. What is taken is taken from the front of `in`; after a failure `in` is of no use.
#ifndef TWI_COMMON_CMW_CBOR_HEAD_H_
#define TWI_COMMON_CMW_CBOR_HEAD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace twi {

// Major types (section 3.1).
constexpr int kCborUint = 0, kCborNegative = 1, kCborBytes = 2, kCborText = 3, kCborArray = 4, kCborMap = 5,
              kCborSimple = 7;

struct CborHead {
  int major = 0;
  std::uint64_t value = 0;  // the argument: a number, a length; of kCborSimple as it stands
};

// None: `in` ends early, an indefinite or reserved length, not the shortest form.
std::optional<CborHead> TakeCborHead(absl::string_view& in);
// `size` bytes, the content of a string; false when there are fewer.
bool TakeCborContent(absl::string_view& in, std::uint64_t size, std::string& out);
// Head and content of a string of major type `major`.
bool TakeCborString(absl::string_view& in, int major, std::string& out);

}  // namespace twi

#endif  // TWI_COMMON_CMW_CBOR_HEAD_H_
