#include <cstdint>
#include <cstdlib>

#include "common/http/query.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = twi::http::ParseQuery(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!parsed.ok()) return 0;
  if (parsed->size() > twi::http::kMaxQueryParameters) std::abort();
  for (const auto& [name, value] : *parsed) {
    if (name.empty() || name.size() + value.size() > size) std::abort();
  }
  return 0;
}
