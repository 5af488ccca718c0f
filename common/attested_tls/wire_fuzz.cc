// The extension in each message and the frames of the session exchange. The first byte says which; what reads must
// write back as it was.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "common/attested_tls/wire.h"

namespace {

using namespace twi::atls;

void Require(bool holds) {
  if (!holds) std::abort();
}

void ReadFrames(absl::string_view bytes) {
  FrameReader reader;
  while (!bytes.empty()) {
    const std::size_t take = std::min(bytes.size(), std::max<std::size_t>(reader.Needs(), 1));
    if (!reader.Append(bytes.substr(0, take)).ok()) return;
    bytes.remove_prefix(take);
    const auto frame = reader.Next();
    if (!frame.ok()) return;
    if (!frame->has_value()) continue;
    Require(reader.empty());  // never more was asked for than the frame has
    if ((*frame)->type == FrameType::kEvidence) (void)ReadEvidence((*frame)->body);
    if ((*frame)->type == FrameType::kChallenge) (void)ReadChallenge((*frame)->body);
    if ((*frame)->type == FrameType::kRefused) Require(!ReasonText((*frame)->body).empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'q':
      if (const auto read = ReadHelloRequest(bytes); read.ok()) Require(WriteHelloRequest(*read) == bytes);
      break;
    case 'p':
      if (const auto read = ReadHelloProvide(bytes); read.ok()) Require(WriteHelloProvide(*read) == bytes);
      break;
    case 'c':
      if (const auto read = ReadChallenge(bytes); read.ok()) Require(WriteChallenge(*read) == bytes);
      break;
    case 'm':
      if (const auto read = ReadMediaType(bytes); read.ok()) Require(WriteMediaType(*read) == bytes);
      break;
    case 'e':
      if (const auto read = ReadEvidence(bytes); read.ok()) Require(WriteEvidence(*read) == bytes);
      break;
    default:
      ReadFrames(bytes);
  }
  return 0;
}
