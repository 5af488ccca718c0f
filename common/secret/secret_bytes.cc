#include "common/secret/secret_bytes.h"

#include <sys/mman.h>

#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "openssl/mem.h"

namespace twi {
namespace {

// mlock and MADV_DONTDUMP work on whole pages and do not nest, so secrets never share a page with anything else: small
// ones come from slots of pages that hold only secrets and stay locked, large ones have pages of their own. That also
// saves the system calls per secret.
constexpr std::array<std::size_t, 4> kSlotSizes = {64, 256, 1024, 4096};
constexpr std::size_t kChunkSize = 64 * 1024;

void* MapPages(std::size_t size, bool* locked) {
  void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  *locked = mlock(pages, size) == 0;  // best effort: RLIMIT_MEMLOCK may be small
  (void)madvise(pages, size, MADV_DONTDUMP);
  return pages;
}

class SlotPool {
 public:
  // nullptr when `size` is over the largest slot.
  std::uint8_t* Take(std::size_t size, bool* locked) {
    for (std::size_t i = 0; i < kSlotSizes.size(); ++i) {
      if (size > kSlotSizes[i]) continue;
      const std::lock_guard<std::mutex> lock(mutex_);
      if (free_[i].empty()) AddChunk(i);
      const Slot slot = free_[i].back();
      free_[i].pop_back();
      *locked = slot.locked;
      return slot.data;
    }
    return nullptr;
  }

  // `data` is already wiped. False when it is not ours by its size.
  bool Give(std::uint8_t* data, std::size_t size, bool locked) {
    for (std::size_t i = 0; i < kSlotSizes.size(); ++i) {
      if (size > kSlotSizes[i]) continue;
      const std::lock_guard<std::mutex> lock(mutex_);
      free_[i].push_back({data, locked});  // never allocates: AddChunk reserved for every slot
      return true;
    }
    return false;
  }

 private:
  struct Slot {
    std::uint8_t* data;
    bool locked;
  };

  void AddChunk(std::size_t i) {
    const std::size_t slots = kChunkSize / kSlotSizes[i];
    total_[i] += slots;
    free_[i].reserve(total_[i]);
    bool locked = false;
    auto* chunk = static_cast<std::uint8_t*>(MapPages(kChunkSize, &locked));
    for (std::size_t s = 0; s < slots; ++s) free_[i].push_back({chunk + s * kSlotSizes[i], locked});
  }

  std::mutex mutex_;
  std::array<std::vector<Slot>, kSlotSizes.size()> free_;
  std::array<std::size_t, kSlotSizes.size()> total_ = {};
};

SlotPool& Pool() {
  static SlotPool* pool = new SlotPool;  // never destroyed: secrets may outlive main
  return *pool;
}

}  // namespace

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  data_ = Pool().Take(size, &locked_);
  if (data_ == nullptr) data_ = static_cast<std::uint8_t*>(MapPages(size, &locked_));
}

SecretBytes SecretBytes::CopyOf(absl::string_view bytes) {
  SecretBytes result(bytes.size());
  if (!bytes.empty()) std::memcpy(result.data_, bytes.data(), bytes.size());
  return result;
}

SecretBytes::~SecretBytes() { Free(); }

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      locked_(std::exchange(other.locked_, false)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Free();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    locked_ = std::exchange(other.locked_, false);
  }
  return *this;
}

SecretBytes SecretBytes::Clone() const { return CopyOf(reveal()); }

absl::string_view SecretBytes::reveal() const { return absl::string_view(reinterpret_cast<const char*>(data_), size_); }

std::uint8_t* SecretBytes::mutable_data() { return data_; }

void SecretBytes::Free() {
  if (data_ == nullptr) return;
  OPENSSL_cleanse(data_, size_);
  if (!Pool().Give(data_, size_, locked_)) munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
  locked_ = false;
}

bool ConstantTimeEqual(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void Wipe(std::string& s) {
  s.resize(s.capacity());  // within the capacity: no reallocation
  if (!s.empty()) OPENSSL_cleanse(&s[0], s.size());
  s.clear();
}

}  // namespace twi
