#include "common/http/admission.h"

#include "absl/strings/str_cat.h"
#include "common/http/query.h"
#include "common/http/router.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/status_macros.h"

namespace twi::http {

absl::Status Admission::AdmitPeer(const Route& route, const PeerCertificate& client, Request& request) const {
  const AllowRule& rule = settings_.allow.at(route.name);
  if (client.leaf_pem.empty()) {
    if (rule.anonymous) return absl::OkStatus();
    return Deny(v1::DENY_REASON_PEER_UNAUTHENTICATED, absl::StrCat("no client certificate, for ", route.name));
  }
  TWI_ASSIGN_OR_RETURN(server::VerifiedPeer peer, peers_->Verify(client.leaf_pem, client.chain_pem));
  request.peer = std::move(peer.identity);
  const bool allowed = request.peer->kind == server::PeerIdentity::Kind::kSpiffeId
                           ? rule.spiffe_ids.count(request.peer->spiffe_id) != 0
                           : rule.attested_key;
  // Where anybody may come without a certificate, one that says more shuts nobody out.
  if (allowed || rule.anonymous) return absl::OkStatus();
  return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED,
              absl::StrCat(request.peer->ToString(), " is not on the allow-list of ", route.name));
}

absl::Status Admission::Admit(absl::string_view method, absl::string_view target,
                              std::map<std::string, std::string> headers, const PeerCertificate& client,
                              Admitted& admitted) {
  Request& request = admitted.request;
  if (const auto named = headers.find(trace::kTraceparent); named != headers.end())
    admitted.trace = trace::ParseTraceparent(named->second).value_or(admitted.trace);
  TWI_RETURN_IF_ERROR(CheckTarget(target));
  const std::size_t question = target.find('?');
  request.method = std::string(method);
  request.path = std::string(target.substr(0, question));
  request.headers = std::move(headers);
  TWI_ASSIGN_OR_RETURN(Match match, FindRoute(routes_, method, request.path));
  admitted.route = match.route;
  request.path_parameters = std::move(match.parameters);
  TWI_RETURN_IF_ERROR(AdmitPeer(*match.route, client, request));
  if (question != absl::string_view::npos) {
    TWI_ASSIGN_OR_RETURN(request.query, ParseQuery(target.substr(question + 1)));
  }
  if (closed_) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "this server is stopping");
  return absl::OkStatus();
}

absl::Status Admission::Begin(Admitted& admitted) {
  admitted.request.deadline = clock_.Now() + settings_.request_timeout;
  if (in_flight_.fetch_add(1) >= settings_.max_concurrent_requests) {
    in_flight_.fetch_sub(1);
    return Deny(v1::DENY_REASON_OVERLOADED, absl::StrCat(settings_.max_concurrent_requests, " requests are in flight"));
  }
  admitted.ticket = std::shared_ptr<void>(nullptr, [this](void*) { in_flight_.fetch_sub(1); });
  return absl::OkStatus();
}

absl::Status Admission::InTime(const Admitted& admitted) const {
  if (clock_.Now() < admitted.request.deadline) return absl::OkStatus();
  return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, "no worker was free in time");
}

void Admission::Finish(const Admitted& admitted, const absl::Status& outcome, absl::Duration took) const {
  namespace f = log::fields;
  const trace::Scope scope(admitted.trace);
  const DenyReason reason = DenyReasonOf(outcome);
  const std::string name = admitted.route == nullptr ? "none" : admitted.route->name;
  if (admitted.route != nullptr && on_outcome_) on_outcome_(name, reason, took);
  const std::string peer = admitted.request.peer.has_value() ? admitted.request.peer->ToString() : "anonymous";
  if (outcome.ok()) {
    log::Audit("served", {{f::kRpc, name}, {f::kPeer, peer}});
    return;
  }
  const std::string detail(outcome.message());
  log::Audit("refused", {{f::kRpc, name},
                         {f::kPeer, peer},
                         {f::kReason, DenyReasonName(reason)},
                         {f::kDetail, detail},
                         {f::kSentence, DenyReasonSentence(reason)}});
  if (CodeFor(reason) == absl::StatusCode::kInternal)
    log::Error("internal_error",
               {{f::kRpc, name}, {f::kPeer, peer}, {f::kReason, DenyReasonName(reason)}, {f::kDetail, detail}});
}

}  // namespace twi::http
