#include "common/client/channel.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/server/spiffe_id.h"
#include "common/status/deny.h"
#include "proto/google/rpc/status_details.pb.h"

namespace twi::client {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);
constexpr std::size_t kMaxWords = 300;  // of what a peer says, in our log

absl::Duration TimeoutOf(const config::v1::Peer& peer) {
  return peer.has_timeout() ? absl::Seconds(peer.timeout().seconds()) + absl::Nanoseconds(peer.timeout().nanos())
                            : kDefaultTimeout;
}

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat("peer.", field, ": ", what));
}

absl::Status CheckPeer(const config::v1::Peer& peer) {
  const std::string& address = peer.address();
  const std::size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 ||
      port > 65535 || address.find('/') != std::string::npos) {
    return Invalid("address", absl::StrCat("expected HOST:PORT, got \"", address, "\""));
  }
  const std::string problem = server::SpiffeIdProblem(peer.spiffe_id());
  if (!problem.empty())
    return Invalid("spiffe_id", absl::StrCat("expected a SPIFFE ID, got \"", peer.spiffe_id(), "\": ", problem));
  const absl::Duration timeout = TimeoutOf(peer);
  if (timeout <= absl::ZeroDuration() || timeout > absl::Minutes(10))
    return Invalid("timeout", "expected more than 0s, at most 10m");
  return absl::OkStatus();
}

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

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const config::v1::Peer& peer, const Identity& identity) {
  if (absl::Status checked = CheckPeer(peer); !checked.ok()) return checked;
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
