// The peer's leaf with its KAT, the KAT alone, and the subject of a binding as a Verifier is given it. The first byte
// says which.
#include <cstdint>
#include <cstdlib>

#include "absl/time/time.h"
#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/cmw.h"
#include "common/attested_tls/leaf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace twi::atls;
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'l') {
    (void)ReadLeaf(bytes, absl::FromUnixSeconds(1795262400));
  } else if (data[0] == 's') {
    if (const auto read = ReadSubject(bytes); read.ok() && WriteSubject(*read) != bytes) std::abort();
  } else if (const auto read = ReadCmwExtension(bytes); read.ok() && read->value.size() > bytes.size()) {
    std::abort();
  }
  return 0;
}
