#include <cstdint>
#include <cstdlib>

#include "common/http/problem.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  if (twi::http::FromProblem(500, twi::http::kProblemMediaType, body, "fuzz").ok()) std::abort();
  return 0;
}
