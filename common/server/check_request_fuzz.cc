// A request that passes holds nothing that we do not know, at any depth, and one that is refused as malformed does.
#include <cstdint>
#include <cstdlib>

#include "common/server/check_request.h"
#include "common/status/deny.h"
#include "proto/twi/v1/evidence.pb.h"

namespace {

constexpr std::size_t kMaxBytes = 2048;

}  // namespace

// v1::Evidence stands for a request: messages in messages, and lists of them (never kMaxRequestDepth deep).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  twi::v1::Evidence request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  const absl::Status status = twi::server::CheckRequest(request, kMaxBytes);
  twi::v1::Evidence known = request;
  known.DiscardUnknownFields();
  const bool all_known = known.ByteSizeLong() == request.ByteSizeLong();
  if (status.ok() && (!all_known || request.SerializeAsString().size() > kMaxBytes)) std::abort();
  if (!status.ok() && twi::DenyReasonOf(status) != twi::v1::DENY_REASON_REQUEST_TOO_LARGE && all_known) std::abort();
  return 0;
}
