#include "common/crypto/random.h"

#include <cstdint>

#include "openssl/rand.h"

namespace twi::crypto {

std::string SystemRandom::Bytes(std::size_t size) {
  std::string bytes(size, '\0');
  if (size > 0) RAND_bytes(reinterpret_cast<std::uint8_t*>(&bytes[0]), size);  // aborts rather than fail
  return bytes;
}

}  // namespace twi::crypto
