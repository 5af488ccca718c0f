// A kid that is read before anything is verified is no longer than the header that it stood in.
#include <cstdint>
#include <cstdlib>

#include "common/client/key_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view jws(reinterpret_cast<const char*>(data), size);
  const std::string kid = twi::client::UnverifiedKid(jws);
  if (!kid.empty() && kid.size() >= jws.find('.')) std::abort();
  return 0;
}
