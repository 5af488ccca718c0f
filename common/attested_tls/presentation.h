// Bytes in the presentation language of RFC 8446 section 3: numbers in network order, vectors behind their length.
// Inside common/attested_tls only.
#ifndef TWI_COMMON_ATTESTED_TLS_PRESENTATION_H_
#define TWI_COMMON_ATTESTED_TLS_PRESENTATION_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::atls {

inline void AppendUint(std::string& out, std::size_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

inline void AppendVector(std::string& out, absl::string_view part, int length_bytes) {
  AppendUint(out, part.size(), length_bytes);
  out.append(part.data(), part.size());
}

// Takes parts off the front of `in`; false leaves the reader in an unusable state.
class PartReader {
 public:
  explicit PartReader(absl::string_view in) : in_(in) {}
  bool Uint(int bytes, std::size_t& value) {
    if (in_.size() < static_cast<std::size_t>(bytes)) return false;
    value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in_[i]);
    in_.remove_prefix(bytes);
    return true;
  }
  bool Fixed(std::size_t size, absl::string_view& part) {
    if (in_.size() < size) return false;
    part = in_.substr(0, size);
    in_.remove_prefix(size);
    return true;
  }
  bool Vector(int length_bytes, std::size_t min, std::size_t max, absl::string_view& part) {
    std::size_t size = 0;
    return Uint(length_bytes, size) && size >= min && size <= max && Fixed(size, part);
  }
  bool AtEnd() const { return in_.empty(); }

 private:
  absl::string_view in_;
};

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_PRESENTATION_H_
