#include "services/twictl/inspect_claims.h"

#include <cstddef>

namespace twi::twictl {
namespace {

constexpr char kUtf8String = 0x0c;

}  // namespace

std::optional<absl::string_view> Utf8StringIn(absl::string_view der) {
  if (der.size() < 2 || der[0] != kUtf8String) return std::nullopt;
  const auto at = [&der](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(der[i])); };
  // X.690 sections 8.1.3 and 10.1: up to 0x7f in one byte, else 0x80 + the number of bytes that the length has.
  const std::size_t more = at(1) < 0x80 ? 0 : at(1) - 0x80;
  const std::size_t header = 2 + more;
  if (at(1) == 0x80 || more > 2 || header > der.size()) return std::nullopt;
  const std::size_t length = more == 0 ? at(1) : more == 1 ? at(2) : at(2) << 8 | at(3);
  const bool shortest = more == 0 || (more == 1 ? length >= 0x80 : length >= 0x100);
  if (!shortest || der.size() - header != length) return std::nullopt;
  return der.substr(header);
}

}  // namespace twi::twictl
