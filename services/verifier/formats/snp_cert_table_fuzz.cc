// Entries of a table that parses lie inside the buffer.
#include <cstdint>
#include <cstdlib>

#include "services/verifier/formats/snp_cert_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto entries = twi::verifier::ParseSnpCertTable(bytes);
  if (!entries.ok()) return 0;
  for (const auto& entry : *entries) {
    if (entry.data != bytes.substr(entry.offset, entry.length) || entry.data.empty()) std::abort();
  }
  return 0;
}
