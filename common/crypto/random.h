// Randomness is passed in (style H19): main.cc makes a SystemRandom, tests a fake that counts.
#ifndef TWI_COMMON_CRYPTO_RANDOM_H_
#define TWI_COMMON_CRYPTO_RANDOM_H_

#include <cstddef>
#include <string>

#include "common/secret/secret_bytes.h"

namespace twi::crypto {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::string Bytes(std::size_t size) = 0;  // Thread-safe.
  SecretBytes Secret(std::size_t size) {
    std::string bytes = Bytes(size);
    SecretBytes secret = SecretBytes::CopyOf(bytes);
    Wipe(bytes);
    return secret;
  }
};

// BoringSSL's RAND_bytes.
class SystemRandom final : public Random {
 public:
  std::string Bytes(std::size_t size) override;
};

}  // namespace twi::crypto

#endif  // TWI_COMMON_CRYPTO_RANDOM_H_
