// What parses, prints and parses again to the same value.
#include <cstdint>
#include <cstdlib>

#include "common/jose/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = twi::jose::ParseJson(absl::string_view(reinterpret_cast<const char*>(data), size), 64 * 1024);
  if (!value.ok()) return 0;
  const auto again = twi::jose::ParseJson(value->dump(), 1 << 20);
  if (!again.ok() || *again != *value) std::abort();
  return 0;
}
