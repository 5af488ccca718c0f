// No workload finds an expired credential: at the moment of its end the agent takes it away, whatever else it is doing
// (an attempt to renew may hang in a call for half a minute).
#ifndef TWI_SERVICES_WORKLOAD_AGENT_EXPIRY_WATCH_H_
#define TWI_SERVICES_WORKLOAD_AGENT_EXPIRY_WATCH_H_

#include <functional>
#include <mutex>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/time/clock.h"
#include "services/workload_agent/agent_loop.h"

namespace twi::agent {

class ExpiryWatch {
 public:
  // `withdraw` is called with no credential being installed at the same time. `clock` and `waiter` must outlive the
  // watch; the waiter is its own.
  ExpiryWatch(const Clock& clock, Waiter& waiter, std::function<absl::Status()> withdraw)
      : clock_(clock), waiter_(waiter), withdraw_(std::move(withdraw)) {}

  // Installs under the watch's lock: either the old credential was withdrawn before, or the new one is in force. Its
  // end is watched from then on when `install` succeeds. Thread-safe.
  absl::Status Install(absl::Time not_after, const std::function<absl::Status()>& install);
  // A credential that a predecessor left. Thread-safe.
  void Found(absl::Time not_after);
  // Until Stop. Call it on a thread of its own. A withdrawal that fails is logged and tried again a second later.
  void Run();
  void Stop();  // Thread-safe.

 private:
  absl::Time WithdrawIfExpired();  // when to look again

  const Clock& clock_;
  Waiter& waiter_;
  const std::function<absl::Status()> withdraw_;
  std::mutex mutex_;  // guards the next two, and the directory
  absl::Time not_after_ = absl::InfiniteFuture();
  bool stopping_ = false;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_EXPIRY_WATCH_H_
