#include "common/client/channel.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "common/client/check_peer.h"
#include "common/status/deny.h"
#include "proto/google/rpc/status_details.pb.h"

namespace twi::client {
namespace {

constexpr std::size_t kMaxWords = 300;  // of what a peer says, in our log

// The ErrorInfo of a TWI service, empty when there is none.
std::string TwiReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.Is<google::rpc::ErrorInfo>() && any.UnpackTo(&info) && info.domain() == "twi") return info.reason();
  }
  return "";
}

// A server's certificate that we refused (identity.cc). gRPC reports it as UNAVAILABLE, our words within its own. A
// server that says these words itself has been authenticated, and could as well send the reason.
absl::optional<absl::Status> RefusedServer(const grpc::Status& status, absl::string_view what) {
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return absl::nullopt;
  const std::string& words = status.error_message();
  for (const DenyReason reason : {v1::DENY_REASON_SERVER_IDENTITY_MISMATCH, v1::DENY_REASON_SERVER_UNAUTHENTICATED}) {
    const std::string name = absl::StrCat(DenyReasonName(reason), ": ");
    const std::size_t at = words.find(name);
    if (at != std::string::npos)
      return Deny(reason, absl::StrCat(what, ": ", words.substr(at + name.size(), kMaxWords)));
  }
  return absl::nullopt;
}

// What gRPC itself refuses, before a service can name the reason (proto/README.md), on our side or the peer's.
// Repeated, it would be refused again.
absl::optional<absl::Status> RefusedByGrpc(const grpc::Status& status, absl::string_view what) {
  if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) return absl::nullopt;
  const std::string words = status.error_message().substr(0, kMaxWords);
  const bool too_large = absl::StrContains(words, "larger than max");  // "Received message larger than max (...)"
  return Deny(too_large ? v1::DENY_REASON_REQUEST_TOO_LARGE : v1::DENY_REASON_OVERLOADED,
              absl::StrCat(what, ": gRPC refused the message: ", words));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const config::v1::Peer& peer, const Identity& identity) {
  if (absl::Status checked = CheckPeer(peer, "peer"); !checked.ok()) return checked;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);                  // the environment does not decide whom we talk to
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);  // nor does DNS set our retry policy
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);                    // statistics of each call that nobody asks for
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetMaxReceiveMessageSize(4 << 20);
  arguments.SetMaxSendMessageSize(4 << 20);
  return grpc::CreateCustomChannel(peer.address(), identity.ForPeer(peer.spiffe_id()), arguments);
}

absl::Status FromGrpc(const grpc::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string words = status.error_message().substr(0, kMaxWords);
  const std::string reason_name = TwiReasonOf(status);
  if (!reason_name.empty()) {
    DenyReason reason = v1::DENY_REASON_UNSPECIFIED;
    if (!v1::DenyReason_Parse(absl::StrCat("DENY_REASON_", reason_name), &reason) ||
        reason == v1::DENY_REASON_UNSPECIFIED) {
      // A refusal all the same (of a newer release): not something to repeat.
      return Deny(v1::DENY_REASON_INTERNAL,
                  absl::StrCat(what, ": refused with a reason unknown here: ", reason_name.substr(0, kMaxWords)));
    }
    return Deny(reason, absl::StrCat(what, ": refused by the peer: ", reason_name));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, absl::StrCat(what, ": ", words));
  if (const absl::optional<absl::Status> refused = RefusedServer(status, what); refused.has_value()) return *refused;
  if (const absl::optional<absl::Status> refused = RefusedByGrpc(status, what); refused.has_value()) return *refused;
  return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE,
              absl::StrCat(what, ": gRPC status ", status.error_code(), ": ", words));
}

void SetDeadline(grpc::ClientContext& context, const config::v1::Peer& peer, absl::Time caller_deadline,
                 absl::Time now) {
  // How much is left is a difference of our clock's times; gRPC wants a time of the system's clock.
  const absl::Duration left = std::max(absl::ZeroDuration(), std::min(TimeoutOf(peer), caller_deadline - now));
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(left));
}

}  // namespace twi::client
