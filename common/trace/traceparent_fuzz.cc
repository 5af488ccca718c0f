// What ParseTraceparent takes comes out of ToTraceparent with the same trace id, and is taken again.
#include <cstdint>
#include <cstdlib>

#include "common/trace/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view value(reinterpret_cast<const char*>(data), size);
  const std::optional<twi::trace::Trace> trace = twi::trace::ParseTraceparent(value);
  if (!trace.has_value()) return 0;
  const auto again = twi::trace::ParseTraceparent(twi::trace::ToTraceparent(*trace));
  if (!again.has_value() || again->id != trace->id || again->sampled != trace->sampled) std::abort();
  return 0;
}
