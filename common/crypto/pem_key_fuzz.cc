// A public key in PEM: the same key comes back from what we write, and two of them are not one.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/crypto/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using twi::crypto::PublicKey;
  const std::string pem(reinterpret_cast<const char*>(data), size);
  const auto key = PublicKey::FromPem(pem);
  if (!key.ok()) return 0;
  const auto again = PublicKey::FromPem(key->ToPem());
  if (!again.ok() || *again != *key || again->ToPem() != key->ToPem()) std::abort();
  const auto from_der = PublicKey::FromSpki(key->spki());
  if (!from_der.ok() || *from_der != *key) std::abort();
  if (PublicKey::FromPem(pem + pem).ok()) std::abort();
  return 0;
}
