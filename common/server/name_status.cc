#include "common/server/name_status.h"

#include <chrono>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/server/check_request.h"
#include "common/server/gate.h"
#include "common/status/deny.h"
#include "common/trace/trace.h"
#include "google/protobuf/message.h"

namespace twi::server {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

constexpr char kNoMessage[] = "the message does not parse, or did not arrive whole";

// "MapClaims" of "/twi.v1.ClaimsMapper/MapClaims".
absl::string_view BareName(absl::string_view method) { return method.substr(method.rfind('/') + 1); }

// Of one unary RPC. gRPC calls it on the thread that then runs the RPC.
class NameStatus final : public grpc::experimental::Interceptor {
 public:
  NameStatus(Gate& gate, std::size_t max_bytes, ServerRpcInfo& info)
      : gate_(gate), max_bytes_(max_bytes), info_(info), start_(std::chrono::steady_clock::now()) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE))
      Arrive(static_cast<const google::protobuf::Message*>(methods->GetRecvMessage()));
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) Answer(*methods);
    methods->Proceed();
  }

 private:
  // gRPC gives the message without its type; every request is a Message. Null: it did not parse, or gRPC has already
  // cancelled the call (over its limit, over the quota) or the caller has: then nobody reads our status, the log has
  // it.
  void Arrive(const google::protobuf::Message* request) {
    parsed_ = request != nullptr;
    checked_ = parsed_ ? CheckRequest(*request, max_bytes_) : Deny(v1::DENY_REASON_REQUEST_MALFORMED, kNoMessage);
    SetArrivedRequest(info_.server_context(), checked_);
  }

  void Answer(InterceptorBatchMethods& methods) {
    SetArrivedRequest(nullptr, absl::OkStatus());
    if (checked_.ok() || (parsed_ && !methods.GetSendStatus().ok())) return;
    const auto& context = static_cast<const grpc::ServerContext&>(*info_.server_context());
    const trace::Scope scope(TraceOf(context));
    methods.ModifySendStatus(gate_.Finish(context, BareName(info_.method()), nullptr, checked_,
                                          absl::FromChrono(std::chrono::steady_clock::now() - start_)));
  }

  Gate& gate_;
  const std::size_t max_bytes_;
  ServerRpcInfo& info_;  // outlives this: it owns it
  const std::chrono::steady_clock::time_point start_;
  bool parsed_ = false;
  absl::Status checked_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Factory(Gate& gate, std::size_t max_bytes) : gate_(gate), max_bytes_(max_bytes) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    // Others: methods that we do not have, and reflection, which checks each question itself (reflection.h).
    if (info->type() != ServerRpcInfo::Type::UNARY) return nullptr;
    return new NameStatus(gate_, max_bytes_, *info);
  }

 private:
  Gate& gate_;
  const std::size_t max_bytes_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NameStatuses(Gate& gate, std::size_t max_bytes) {
  return std::make_unique<Factory>(gate, max_bytes);
}

}  // namespace twi::server
