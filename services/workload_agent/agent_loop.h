// The agent's life: acquire, install, run the hook, wait, renew; keep what it has while a renewal fails, and say so.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_AGENT_LOOP_H_
#define TWI_SERVICES_WORKLOAD_AGENT_AGENT_LOOP_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"
#include "common/metrics/metrics.h"
#include "common/time/clock.h"
#include "proto/twi/v1/workload_agent.pb.h"
#include "services/workload_agent/acquisition.h"
#include "services/workload_agent/rotation.h"

namespace twi::agent {

// Lets time pass; a time boundary, so an interface: tests move a fake clock instead.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // Returns at `until`, or earlier when woken.
  virtual void WaitUntil(absl::Time until) = 0;
  // Ends the wait that is on, or the next one.
  virtual void Wake() = 0;
};

// Waits by a condition variable, at most 30 s at a time, so that a clock that is set is noticed.
class SystemWaiter final : public Waiter {
 public:
  explicit SystemWaiter(const Clock& clock) : clock_(clock) {}
  void WaitUntil(absl::Time until) override;
  void Wake() override;

 private:
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
};

struct AgentLoopDeps {
  std::string mechanism;  // "A".."D", for status and log
  std::function<absl::StatusOr<AcquiredCredential>()> acquire;
  std::function<absl::Status(const AcquiredCredential&)> install;
  std::function<void()> run_hook;  // its failure is logged by itself: the credential is installed all the same
  RenewalSettings renewal;
  const Clock& clock;
  crypto::Random& random;
  Waiter& waiter;
  metrics::Metrics* metrics = nullptr;  // null: nothing is counted
  std::function<void()> on_first;       // once, when the first credential is installed, before its hook; may be empty
};

class AgentLoop {
 public:
  explicit AgentLoop(AgentLoopDeps deps);

  // One attempt: acquire, install, hook. The failure is counted, logged with its reason, and returned.
  absl::Status AcquireOnce();
  // Attempts and waits until Stop. Call it on a thread of its own.
  void Run();
  // Run returns after the attempt that is on. Thread-safe.
  void Stop();
  // Attests anew now instead of at the next renewal. Thread-safe.
  void RenewNow() { deps_.waiter.Wake(); }
  // Thread-safe.
  v1::GetAgentStatusResponse GetStatus() const;
  // For health probes. Ready: holds a credential that is valid now, and is not stopping. Started: has acquired one.
  // CREDENTIAL_INVALID, DEPENDENCY_UNAVAILABLE. Thread-safe.
  absl::Status Ready() const;
  absl::Status Started() const;

 private:
  double Unit();             // uniform in [0, 1)
  absl::Time NextAttempt();  // after success: the renewal; after failure: the retry
  void Refused(const absl::Status& why);
  void Acquired(const CredentialFacts& facts);
  void Count(const absl::Status& outcome, absl::Duration took, bool held);

  const AgentLoopDeps deps_;
  mutable std::mutex mutex_;  // guards all below
  bool stopping_ = false;
  CredentialFacts facts_;  // of what is installed
  v1::GetAgentStatusResponse state_;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_AGENT_LOOP_H_
