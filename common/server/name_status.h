// Names what gRPC would refuse without us: a request that does not parse gets a reason, an audit line and a count, as
// every other refusal.
#ifndef TWI_COMMON_SERVER_NAME_STATUS_H_
#define TWI_COMMON_SERVER_NAME_STATUS_H_

#include <cstddef>
#include <memory>

#include "common/server/server.h"
#include "grpcpp/support/server_interceptor.h"

namespace twi::server {

// To be given to the ServerBuilder. For each unary request: CheckRequest, whose answer the gate and health ask for
// (ArrivedRequest); and a request that did not parse, or was found wrong and is answered with OK all the same (by a
// service that does not ask), is refused in the end. What gRPC cancels by itself while it arrives is logged and counted
// the same way. `gate` must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NameStatuses(Gate& gate, std::size_t max_bytes);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_NAME_STATUS_H_
