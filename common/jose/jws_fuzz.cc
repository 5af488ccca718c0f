// No token verifies under a key that has signed nothing.
#include <cstdint>
#include <cstdlib>

#include "common/jose/jws.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* const keys = new twi::jose::JwkSet{
      {{"k1", "", "", twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256)->public_key()}}};
  const absl::string_view token(reinterpret_cast<const char*>(data), size);
  (void)twi::jose::InsecureDecodeJws(token, 64 * 1024);
  if (twi::jose::VerifyJws(token, *keys, {"JWT", 64 * 1024, true}).ok()) std::abort();
  if (twi::jose::VerifyJws(token, *keys, {"twi+jwt", 64 * 1024}).ok()) std::abort();
  return 0;
}
