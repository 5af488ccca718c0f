// What decodes, encodes back to the very same text (base64) or its lower case (hex).
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/ascii.h"
#include "common/encoding/encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = twi::FromHex(text); bytes.ok() && twi::ToHex(*bytes) != absl::AsciiStrToLower(text))
    std::abort();
  if (const auto bytes = twi::FromBase64(text); bytes.ok() && twi::ToBase64(*bytes) != text) std::abort();
  if (const auto bytes = twi::FromBase64Url(text); bytes.ok() && twi::ToBase64Url(*bytes) != text) std::abort();
  return 0;
}
