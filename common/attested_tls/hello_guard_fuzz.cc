// The first bytes of a stranger. However they are cut into pieces, the guard's answer is the same, and it is what a
// second reading of the records says.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/attested_tls/code_points.h"
#include "common/attested_tls/hello_guard.h"

namespace {

using twi::atls::HelloGuard;
using twi::atls::kMaxClientHello;

// False once it is: what follows is never shown to the guard.
bool TakePieces(absl::string_view bytes, std::size_t piece) {
  HelloGuard guard;
  while (!bytes.empty()) {
    if (!guard.Take(bytes.substr(0, piece))) return false;
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return true;
}

std::size_t Number(absl::string_view bytes, std::size_t at, int size) {
  std::size_t value = 0;
  for (int i = 0; i < size; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

// All at once: first the fragments of the handshake records, then the headers of the messages in them.
bool AnnouncesNoLargeHello(absl::string_view bytes) {
  std::string messages;
  while (bytes.size() > 5) {
    const absl::string_view fragment = bytes.substr(5, Number(bytes, 3, 2));
    if (bytes[0] == 22) messages.append(fragment.data(), fragment.size());
    bytes.remove_prefix(5 + fragment.size());
  }
  for (std::size_t at = 0; messages.size() - at >= 4;) {
    const std::size_t size = 4 + Number(messages, at + 1, 3);
    if (messages[at] == 1 && size > kMaxClientHello) return false;
    at += std::min(size, messages.size() - at);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool taken = AnnouncesNoLargeHello(bytes);
  for (const std::size_t piece : {std::max<std::size_t>(size, 1), std::size_t{1}, std::size_t{3}, std::size_t{4096}}) {
    if (TakePieces(bytes, piece) != taken) std::abort();
  }
  return 0;
}
