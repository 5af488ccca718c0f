// A key or a set that parses, writes and parses again to the same keys.
#include <cstdint>
#include <cstdlib>

#include "common/jose/json.h"
#include "common/jose/jwk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = twi::jose::ParseJson(text, 64 * 1024);
  if (json.ok()) (void)twi::jose::JwkFromJson(*json);
  const auto set = twi::jose::JwkSetFromText(text);
  if (!set.ok()) return 0;
  const auto again = twi::jose::JwkSetFromJson(twi::jose::ToJson(*set));
  if (!again.ok() || again->keys.size() != set->keys.size()) std::abort();
  for (std::size_t i = 0; i < set->keys.size(); ++i) {
    if (again->keys[i].key != set->keys[i].key) std::abort();
  }
  return 0;
}
