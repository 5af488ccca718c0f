// Bytes that must not outlive their use: wiped when freed, compared in constant time, move-only, and not printable.
#ifndef TWI_COMMON_SECRET_SECRET_BYTES_H_
#define TWI_COMMON_SECRET_SECRET_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace twi {

// Fixed size from construction; the buffer is never reallocated, so no stale copy stays behind. Where the limits allow
// it the pages are locked (mlock, best effort: a refusal by the kernel is not an error) and excluded from core dumps.
class SecretBytes {
 public:
  SecretBytes() = default;
  // Zeroed buffer of `size` bytes, to be filled through mutable_data().
  explicit SecretBytes(std::size_t size);
  // Copies `bytes`; the caller wipes its own copy (Wipe below).
  static SecretBytes CopyOf(absl::string_view bytes);
  ~SecretBytes();
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  SecretBytes Clone() const;
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The only ways in and out; grep for `reveal(` to audit them.
  absl::string_view reveal() const;
  std::uint8_t* mutable_data();

 private:
  void Free();
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  bool locked_ = false;
};

// Equal in constant time for equal lengths; lengths are not secret.
bool ConstantTimeEqual(absl::string_view a, absl::string_view b);
inline bool ConstantTimeEqual(const SecretBytes& a, const SecretBytes& b) {
  return ConstantTimeEqual(a.reveal(), b.reveal());
}

// Overwrites a string's bytes (its whole capacity) and clears it, in a way the compiler may not remove.
void Wipe(std::string& s);

// Printing a secret does not compile.
std::ostream& operator<<(std::ostream&, const SecretBytes&) = delete;

}  // namespace twi

#endif  // TWI_COMMON_SECRET_SECRET_BYTES_H_
