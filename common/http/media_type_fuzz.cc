#include <cstdint>
#include <cstdlib>

#include "common/http/media_type.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto type = twi::http::ParseMediaType(text);
  // What is one media type is a list of one, and the list accepts it unless its weight says no.
  if (type.ok() && type->parameters.count("q") == 0) {
    const auto accepted = twi::http::Accepts(text, type->name);
    if (!accepted.ok() || !*accepted) std::abort();
  }
  (void)twi::http::Accepts(text, "application/json").ok();
  return 0;
}
