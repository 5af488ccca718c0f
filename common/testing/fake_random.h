// Randomness that counts: every call gives other bytes, the same in every run.
#ifndef TWI_COMMON_TESTING_FAKE_RANDOM_H_
#define TWI_COMMON_TESTING_FAKE_RANDOM_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "common/crypto/hash.h"
#include "common/crypto/random.h"

namespace twi::testing {

class FakeRandom final : public crypto::Random {
 public:
  explicit FakeRandom(std::uint64_t seed = 0) : seed_(seed) {}
  std::string Bytes(std::size_t size) override {
    const std::string label = std::to_string(seed_) + ":" + std::to_string(calls_++) + ":";
    std::string bytes;
    for (std::uint64_t block = 0; bytes.size() < size; ++block) bytes += crypto::Sha256(label + std::to_string(block));
    bytes.resize(size);
    return bytes;
  }

 private:
  const std::uint64_t seed_;
  std::atomic<std::uint64_t> calls_{0};
};

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_FAKE_RANDOM_H_
