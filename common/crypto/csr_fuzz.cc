// A CSR that is accepted has a key whose SubjectPublicKeyInfo stands in it.
#include <cstdint>
#include <cstdlib>

#include "common/crypto/csr.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto csr = twi::crypto::ParseAndVerifyCsr(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (csr.ok() && csr->der.find(csr->public_key.spki()) == std::string::npos) std::abort();
  return 0;
}
