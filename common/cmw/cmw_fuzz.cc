#include <cstdint>
#include <cstdlib>

#include "common/cmw/cmw.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& record : {twi::ReadCmwCbor(bytes), twi::ReadCmwJson(bytes, 4096)}) {
    if (record.ok() && (record->media_type.empty() || record->value.empty() ||
                        record->media_type.size() + record->value.size() > size))
      std::abort();
  }
  return 0;
}
