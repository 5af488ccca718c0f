// SIGTERM ends the agent, whatever it is doing: firmware that gives no answer, a hook, a call. Nothing is lost by that:
// the credential directory bears a kill at any moment (credential_directory.h).
#ifndef TWI_SERVICES_WORKLOAD_AGENT_DRAIN_LIMIT_H_
#define TWI_SERVICES_WORKLOAD_AGENT_DRAIN_LIMIT_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace twi::agent {

class DrainLimit {
 public:
  // `at_limit` is called once, on a thread of its own, when `limit` after Begin this still exists. So it must be
  // destroyed after all that may hang.
  DrainLimit(absl::Duration limit, std::function<void()> at_limit);
  ~DrainLimit();
  DrainLimit(const DrainLimit&) = delete;
  DrainLimit& operator=(const DrainLimit&) = delete;

  // The first call counts. Not thread-safe.
  void Begin();

 private:
  const absl::Duration limit_;
  const std::function<void()> at_limit_;
  std::mutex mutex_;
  std::condition_variable done_;
  bool ended_ = false;
  std::thread thread_;
};

// Logs that the drain took longer than `limit`, and ends the process with exit code 1.
[[noreturn]] void EndUndrained(absl::Duration limit);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_DRAIN_LIMIT_H_
