// One unary RPC with our deadline rule and our Status: what the clients of this room share. For their .cc files only.
#ifndef TWI_COMMON_CLIENT_UNARY_CALL_H_
#define TWI_COMMON_CLIENT_UNARY_CALL_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/client/channel.h"
#include "common/time/clock.h"
#include "common/trace/trace.h"
#include "grpcpp/grpcpp.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::client {

// How often a call that is safe to repeat (NewChallenge, public keys) is tried when nobody answers.
constexpr int kAttempts = 3;

template <typename Response, typename Stub, typename Interface, typename Request>
absl::StatusOr<Response> UnaryCall(absl::string_view what, Stub& stub,
                                   grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&, Response*),
                                   const Request& request, const config::v1::Peer& peer, absl::Time deadline,
                                   absl::Time now) {
  grpc::ClientContext context;
  SetDeadline(context, peer, deadline, now);
  if (const trace::Trace* current = trace::Current(); current != nullptr)
    context.AddMetadata(trace::kTraceparent, trace::ToTraceparent(*current));
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, what);
  return response;
}

// The same for a call that is safe to repeat.
template <typename Response, typename Stub, typename Interface, typename Request>
absl::StatusOr<Response> RepeatableCall(absl::string_view what, Stub& stub,
                                        grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&,
                                                                          Response*),
                                        const Request& request, const config::v1::Peer& peer, absl::Time deadline,
                                        const Clock& clock) {
  absl::StatusOr<Response> response = absl::UnknownError("not called");
  const absl::Status status = RetryUnavailable(kAttempts, deadline, [&] {
    response = UnaryCall<Response>(what, stub, method, request, peer, deadline, clock.Now());
    return response.status();
  });
  if (!status.ok()) return status;
  return response;
}

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_UNARY_CALL_H_
