#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/client/channel.h"
#include "common/status/deny.h"

// The first byte is the gRPC code, the rest the status details that a peer sends, and its words.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto code = static_cast<grpc::StatusCode>(data[0] % 17);
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::Status status = twi::client::FromGrpc(grpc::Status(code, rest, rest), "Say");
  if (status.ok() != (code == grpc::StatusCode::OK)) std::abort();
  if (status.ok()) return 0;
  // A reason of the closed list, and few words of the peer's.
  if (twi::DenyReasonOf(status) == twi::v1::DENY_REASON_UNSPECIFIED || status.message().size() > 500) std::abort();
  return 0;
}
