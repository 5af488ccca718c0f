#include "common/server/refuse.h"

#include "common/status/deny.h"
#include "proto/google/rpc/status_details.pb.h"

namespace twi::server {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const DenyReason reason = DenyReasonOf(status);
  const std::string name = DenyReasonName(reason);
  const auto code = static_cast<grpc::StatusCode>(CodeFor(reason));  // the same numbers (absl/status/status.h)
  google::rpc::ErrorInfo info;
  info.set_reason(name);
  info.set_domain("twi");
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(name);
  details.add_details()->PackFrom(info);
  return grpc::Status(code, name, details.SerializeAsString());
}

}  // namespace twi::server
