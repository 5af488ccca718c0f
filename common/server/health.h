// grpc.health.v1 as every daemon answers it: live, ready and started differ, and only the daemon itself may ask, and
// whom its config names.
#ifndef TWI_COMMON_SERVER_HEALTH_H_
#define TWI_COMMON_SERVER_HEALTH_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/server/peer_source.h"
#include "common/server/server.h"
#include "common/server/server_config.h"
#include "proto/grpc/health/v1/health.grpc.pb.h"

namespace twi::server {

// Trailing metadata of a NOT_SERVING answer: the reason's name and a detail, printable ASCII, at most 300 bytes.
constexpr char kHealthReasonKey[] = "twi-health-reason";

enum class HealthQuestion {
  kLive,     // it answers: nothing that a restart would mend is wrong
  kReady,    // it can do its work now
  kStarted,  // its start is over; it may be judged by live and ready from here on
};
// "live", "ready" or "" (the whole server, in grpc.health.v1), "started".
std::optional<HealthQuestion> HealthQuestionOf(absl::string_view service);

// An RPC of this class asks the check that its question needs once, and holds no lock meanwhile. Thread-safe.
class Health final : public grpc::health::v1::Health::Service {
 public:
  // `gate` finishes what is refused: one audit line, one count. Both must outlive this.
  Health(Gate& gate, HealthChecks checks) : gate_(gate), checks_(std::move(checks)) {}

  // Once, before the first request; until then everybody is refused. May ask: the daemon itself (`own_id`, the SPIFFE
  // ID that it presents now), who is on `rule`, and on a Unix socket its one user. `own_ready`: what the server knows
  // of itself (its certificate).
  void Open(AllowRule rule, std::shared_ptr<PeerSource> peers, std::function<std::string()> own_id,
            std::function<absl::Status()> own_ready);
  void Drain() { draining_ = true; }

  // OK, or why not. A change of readiness is logged once.
  absl::Status Answer(HealthQuestion question);

  grpc::Status Check(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override;

 private:
  absl::Status Admit(const grpc::ServerContext& context, std::optional<PeerIdentity>& peer) const;
  absl::Status Ready() const;
  void LogChange(const absl::Status& ready);

  Gate& gate_;
  const HealthChecks checks_;
  AllowRule rule_;
  std::shared_ptr<PeerSource> peers_;  // constant after Open, as the rest above
  std::function<std::string()> own_id_;
  std::function<absl::Status()> own_ready_;
  std::atomic<bool> draining_{false};
  std::mutex mutex_;
  std::string last_;  // why it was not ready when last asked; empty when it was
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_HEALTH_H_
