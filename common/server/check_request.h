// What every request must be before anybody looks at what it says: of a size that we take, and without a field that we
// do not know.
#ifndef TWI_COMMON_SERVER_CHECK_REQUEST_H_
#define TWI_COMMON_SERVER_CHECK_REQUEST_H_

#include <cstddef>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"

namespace twi::server {

// Messages within a request, itself included.
constexpr int kMaxRequestMessages = 4096;
constexpr int kMaxRequestDepth = 16;

// REQUEST_TOO_LARGE over `max_bytes` or kMaxRequestMessages; REQUEST_MALFORMED when at any depth a field is set that
// this release does not know (ignored, it could be a condition that the caller relies on), or below kMaxRequestDepth.
// A number that an enum of ours does not have is not found here: the service refuses it with the field's own reason.
absl::Status CheckRequest(const google::protobuf::Message& request, std::size_t max_bytes);

// What CheckRequest said of the request of `context`, told by the interceptor (name_status.h) to the gate and to
// health: all run on the thread of the request. A stream's service tells it of itself, before anything has arrived
// (reflection.h). INTERNAL for any other context: nobody looked at its request.
absl::Status ArrivedRequest(const grpc::ServerContextBase& context);
void SetArrivedRequest(const grpc::ServerContextBase* context, absl::Status status);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_CHECK_REQUEST_H_
