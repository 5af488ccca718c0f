#include <cstddef>
#include <cstdint>

#include "common/snp_cert_table/snp_cert_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = twi::ParseSnpCertTable(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (parsed.ok()) {
    for (const auto& entry : *parsed) {
      if (entry.data.size() > size) __builtin_trap();
    }
  }
  return 0;
}
