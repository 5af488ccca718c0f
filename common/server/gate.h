// The Gate of a Server (server.h).
#ifndef TWI_COMMON_SERVER_GATE_H_
#define TWI_COMMON_SERVER_GATE_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "common/metrics/metrics.h"
#include "common/server/metrics.h"
#include "common/server/peer_source.h"
#include "common/server/server.h"
#include "common/server/server_config.h"
#include "common/trace/trace.h"

namespace twi::server {

// The caller's trace. One that sends none, two, or something else gets a new one.
trace::Trace TraceOf(const grpc::ServerContext& context);

// Until when a request may work, on the clock that says `now`: the caller's `deadline` is in the system's time,
// whatever our clock says, so what counts is how much is left of it. DEADLINE_EXCEEDED when nothing is.
absl::StatusOr<absl::Time> WorkUntil(absl::Time deadline, absl::Time system_now, absl::Time now,
                                     absl::Duration max_deadline);

class GateImpl final : public Gate {
 public:
  explicit GateImpl(const Clock& clock) : clock_(clock), in_flight_(std::make_shared<std::atomic<int>>(0)) {}

  // Once, before the first request: services are made with the gate, and only then their methods, hence the rules, are
  // known. Until then everything is refused.
  void Open(const ServerSettings& settings, std::shared_ptr<PeerSource> peers, metrics::Metrics& metrics);

  int in_flight() const { return in_flight_->load(); }

  // From here on every request is refused (DEPENDENCY_UNAVAILABLE: the caller may go to another replica).
  void Close() { closed_ = true; }
  // True as soon as no request is in flight, false when `timeout` has passed before that.
  bool AwaitIdle(absl::Duration timeout) const;

  absl::StatusOr<Ticket> Admit(const grpc::ServerContext& context, absl::string_view rpc) override;
  grpc::Status Finish(const grpc::ServerContext& context, absl::string_view rpc, const PeerIdentity* peer,
                      const absl::Status& status, absl::Duration took) override;

 private:
  struct Rpc {
    AllowRule allow;
    std::shared_ptr<RpcMetrics> metrics;
  };
  const Clock& clock_;
  const std::shared_ptr<std::atomic<int>> in_flight_;
  std::atomic<bool> closed_{false};
  absl::flat_hash_map<std::string, Rpc> rpcs_;  // constant after Open
  std::shared_ptr<PeerSource> peers_;
  int max_concurrent_requests_ = 0;
  absl::Duration max_deadline_;
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_GATE_H_
