#include "common/server/health.h"

#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/check_request.h"
#include "common/server/gate.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/trace/trace.h"

namespace twi::server {
namespace {

using grpc::health::v1::HealthCheckResponse;

constexpr std::size_t kMaxReason = 300;

// gRPC takes printable ASCII only as the value of a metadata key without "-bin".
std::string ForMetadata(const absl::Status& status) {
  std::string text = absl::StrCat(DenyReasonName(DenyReasonOf(status)), ": ", status.message());
  if (text.size() > kMaxReason) text.resize(kMaxReason);
  for (char& c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return text;
}

}  // namespace

std::optional<HealthQuestion> HealthQuestionOf(absl::string_view service) {
  if (service == "live") return HealthQuestion::kLive;
  if (service == "ready" || service.empty()) return HealthQuestion::kReady;
  if (service == "started") return HealthQuestion::kStarted;
  return std::nullopt;
}

void Health::Open(AllowRule rule, std::shared_ptr<PeerSource> peers, std::function<std::string()> own_id,
                  std::function<absl::Status()> own_ready) {
  rule_ = std::move(rule);
  own_id_ = std::move(own_id);
  own_ready_ = std::move(own_ready);
  peers_ = std::move(peers);
}

absl::Status Health::Ready() const {
  if (draining_) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "draining");
  TWI_RETURN_IF_ERROR(own_ready_());
  return checks_.ready ? checks_.ready() : absl::OkStatus();
}

void Health::LogChange(const absl::Status& ready) {
  namespace f = log::fields;
  const std::string why = ready.ok() ? "" : ready.ToString();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (why == last_) return;
    last_ = why;
  }
  if (ready.ok()) return log::Info("ready");
  log::Warn("not_ready",
            {{f::kReason, DenyReasonName(DenyReasonOf(ready))}, {f::kDetail, std::string(ready.message())}});
}

absl::Status Health::Answer(HealthQuestion question) {
  switch (question) {
    case HealthQuestion::kLive:
      return absl::OkStatus();
    case HealthQuestion::kStarted:
      return checks_.started ? checks_.started() : absl::OkStatus();
    case HealthQuestion::kReady:
      break;
  }
  const absl::Status ready = Ready();
  LogChange(ready);
  return ready;
}

absl::Status Health::Admit(const grpc::ServerContext& context, std::optional<PeerIdentity>& peer) const {
  if (peers_ == nullptr) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "this server is starting");
  TWI_ASSIGN_OR_RETURN(peer, peers_->PeerOf(context));
  if (peer->kind == PeerIdentity::Kind::kLocalUser) return absl::OkStatus();  // the socket lets in one user only
  if (peer->kind == PeerIdentity::Kind::kSpiffeId &&
      (peer->spiffe_id == own_id_() || rule_.spiffe_ids.count(peer->spiffe_id) != 0))
    return absl::OkStatus();
  return Deny(v1::DENY_REASON_PEER_NOT_ALLOWED,
              absl::StrCat(peer->ToString(), " is neither this daemon nor on the allow-list of ", kHealthRpc));
}

// Not behind the gate's limits: an overloaded or draining daemon must still say how it is. An answer that was given
// leaves no audit line, since a probe asks every few seconds; a refused caller leaves one.
grpc::Status Health::Check(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest* request,
                           HealthCheckResponse* response) {
  const trace::Scope scope(TraceOf(*context));  // before the first line about this request
  const auto start = std::chrono::steady_clock::now();
  std::optional<PeerIdentity> peer;
  absl::Status admitted = Admit(*context, peer);
  if (admitted.ok()) admitted = ArrivedRequest(*context);
  if (!admitted.ok()) {
    return gate_.Finish(*context, kHealthRpc, peer.has_value() ? &*peer : nullptr, admitted,
                        absl::FromChrono(std::chrono::steady_clock::now() - start));
  }
  const std::optional<HealthQuestion> question = HealthQuestionOf(request->service());
  if (!question.has_value()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "expected live, ready or started");
  const absl::Status answer = Answer(*question);
  response->set_status(answer.ok() ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  if (!answer.ok()) context->AddTrailingMetadata(kHealthReasonKey, ForMetadata(answer));
  return grpc::Status::OK;
}

}  // namespace twi::server
