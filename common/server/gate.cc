#include "common/server/gate.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/check_request.h"
#include "common/server/refuse.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

bool IsAllowed(const AllowRule& rule, const PeerIdentity& peer) {
  switch (peer.kind) {
    case PeerIdentity::Kind::kSpiffeId:
      return rule.spiffe_ids.count(peer.spiffe_id) != 0;
    case PeerIdentity::Kind::kAttestedKey:
      return rule.attested_key;
    case PeerIdentity::Kind::kLocalUser:
      return rule.local_user;
  }
  return false;
}

// Our own code throws nothing; a library below may (out of memory, a store's driver). gRPC would answer UNKNOWN and
// nobody would know.
absl::Status RunBody(const std::function<absl::Status(const Call&)>& body, const Call& call) {
  try {
    return body(call);
  } catch (const std::exception& e) {
    return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("exception: ", e.what()));
  }
}

}  // namespace

trace::Trace TraceOf(const grpc::ServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(trace::kTraceparent);
  if (found == metadata.end() || metadata.count(trace::kTraceparent) != 1) return trace::NewTrace();
  const auto trace = trace::ParseTraceparent({found->second.data(), found->second.size()});
  return trace.has_value() ? *trace : trace::NewTrace();
}

void GateImpl::Open(const ServerSettings& settings, std::shared_ptr<PeerSource> peers, metrics::Metrics& metrics) {
  for (const auto& [rpc, allow] : settings.allow) rpcs_.emplace(rpc, Rpc{allow, MakeRpcMetrics(metrics, rpc)});
  peers_ = std::move(peers);
  max_concurrent_requests_ = settings.max_concurrent_requests;
  max_deadline_ = settings.max_deadline;
}

bool GateImpl::AwaitIdle(absl::Duration timeout) const {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMicroseconds(timeout);
  while (in_flight_->load() > 0) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // once in a server's life: not worth a lock per request
  }
  return true;
}

absl::StatusOr<absl::Time> WorkUntil(absl::Time deadline, absl::Time system_now, absl::Time now,
                                     absl::Duration max_deadline) {
  const absl::Duration left = deadline - system_now;
  if (left <= absl::ZeroDuration())
    return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, "the deadline had passed on arrival");
  return now + std::min(left, max_deadline);
}

absl::StatusOr<Gate::Ticket> GateImpl::Admit(const grpc::ServerContext& context, absl::string_view rpc) {
  const auto found = rpcs_.find(rpc);
  if (found == rpcs_.end())
    return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat(rpc, " is no method of this server's services"));
  Ticket ticket;
  TWI_ASSIGN_OR_RETURN(ticket.call.peer, peers_->PeerOf(context));
  if (!IsAllowed(found->second.allow, ticket.call.peer)) {
    return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED,
                absl::StrCat(ticket.call.peer.ToString(), " is not on the allow-list of ", rpc));
  }
  TWI_RETURN_IF_ERROR(ArrivedRequest(context));
  if (in_flight_->fetch_add(1) >= max_concurrent_requests_) {
    in_flight_->fetch_sub(1);
    return Deny(v1::DENY_REASON_OVERLOADED, absl::StrCat(max_concurrent_requests_, " requests are in flight"));
  }
  // The ticket may outlive the gate (a streaming call that ends late): it holds the counter itself.
  ticket.in_flight = std::shared_ptr<void>(nullptr, [counter = in_flight_](void*) { counter->fetch_sub(1); });
  // Looked at after counting: who is not refused here is waited for by AwaitIdle.
  if (closed_) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "this server is stopping");
  TWI_ASSIGN_OR_RETURN(ticket.call.deadline,
                       WorkUntil(absl::FromChrono(context.deadline()), absl::Now(), clock_.Now(), max_deadline_));
  return ticket;
}

grpc::Status GateImpl::Finish(const grpc::ServerContext& context, absl::string_view rpc, const PeerIdentity* peer,
                              const absl::Status& status, absl::Duration took) {
  namespace f = log::fields;
  const DenyReason reason = DenyReasonOf(status);
  if (const auto found = rpcs_.find(rpc); found != rpcs_.end()) found->second.metrics->Count(reason, took);
  std::string peer_name = "unknown";
  if (peer != nullptr) {
    peer_name = peer->ToString();
  } else if (peers_ != nullptr) {
    if (const auto known = peers_->PeerOf(context); known.ok()) peer_name = known->ToString();
  }
  const std::string name(rpc);
  if (status.ok()) {
    log::Audit("served", {{f::kRpc, name}, {f::kPeer, peer_name}});
    return grpc::Status::OK;
  }
  const std::string detail(status.message());
  log::Audit("refused", {{f::kRpc, name},
                         {f::kPeer, peer_name},
                         {f::kReason, DenyReasonName(reason)},
                         {f::kDetail, detail},
                         {f::kSentence, DenyReasonSentence(reason)}});
  // A broken invariant of ours is not an ordinary refusal: somebody has to look at it.
  if (CodeFor(reason) == absl::StatusCode::kInternal) {
    log::Error("internal_error",
               {{f::kRpc, name}, {f::kPeer, peer_name}, {f::kReason, DenyReasonName(reason)}, {f::kDetail, detail}});
  }
  return ToGrpc(status);
}

grpc::Status Handle(Gate& gate, const grpc::ServerContext& context, absl::string_view rpc,
                    const std::function<absl::Status(const Call&)>& body) {
  const trace::Scope scope(TraceOf(context));  // before the first line about this request
  const auto start = std::chrono::steady_clock::now();
  const auto took = [&] { return absl::FromChrono(std::chrono::steady_clock::now() - start); };
  const absl::StatusOr<Gate::Ticket> ticket = gate.Admit(context, rpc);
  if (!ticket.ok()) return gate.Finish(context, rpc, nullptr, ticket.status(), took());
  const absl::Status status = RunBody(body, ticket->call);
  return gate.Finish(context, rpc, &ticket->call.peer, status, took());
}

}  // namespace twi::server
