#include "common/cmw/cbor_head.h"

namespace twi {

std::optional<CborHead> TakeCborHead(absl::string_view& in) {
  if (in.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(in[0]);
  in.remove_prefix(1);
  const int info = first & 0x1F;
  CborHead head{first >> 5, static_cast<std::uint64_t>(info)};
  if (info < 24) return head;
  const std::size_t size = std::size_t{1} << (info & 3);  // 24..27: 1, 2, 4, 8 bytes
  if (info > 27 || in.size() < size) return std::nullopt;
  head.value = 0;
  for (std::size_t i = 0; i < size; ++i) head.value = head.value << 8 | static_cast<unsigned char>(in[i]);
  in.remove_prefix(size);
  const std::uint64_t least = size == 1 ? 24 : std::uint64_t{1} << (4 * size);
  if (head.major != kCborSimple && head.value < least) return std::nullopt;
  return head;
}

bool TakeCborContent(absl::string_view& in, std::uint64_t size, std::string& out) {
  if (size > in.size()) return false;
  out = std::string(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

bool TakeCborString(absl::string_view& in, int major, std::string& out) {
  const std::optional<CborHead> head = TakeCborHead(in);
  return head.has_value() && head->major == major && TakeCborContent(in, head->value, out);
}

}  // namespace twi
