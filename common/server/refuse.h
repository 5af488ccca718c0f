// A Status as the peer sees it: the reason's name and nothing else (style H5).
#ifndef TWI_COMMON_SERVER_REFUSE_H_
#define TWI_COMMON_SERVER_REFUSE_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace twi::server {

// OK stays OK. Otherwise: code = CodeFor(reason), message = the reason's name, details = google.rpc.Status with one
// google.rpc.ErrorInfo {reason, domain "twi"}. The Status's own message (the detail) is not in it.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_REFUSE_H_
