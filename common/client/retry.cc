#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "common/client/channel.h"
#include "common/status/deny.h"

namespace twi::client {

absl::Status RetryUnavailable(int attempts, absl::Time deadline, const std::function<absl::Status()>& call) {
  absl::BitGen random;  // spreads the waits of many agents; no secret
  absl::Duration longest = absl::Milliseconds(50);
  while (true) {
    const absl::Status status = call();
    if (status.ok() || DenyReasonOf(status) != v1::DENY_REASON_DEPENDENCY_UNAVAILABLE) return status;
    const absl::Duration wait = longest * absl::Uniform(random, 0.5, 1.0);
    if (--attempts <= 0 || absl::Now() + wait >= deadline) return status;
    absl::SleepFor(wait);
    longest = std::min(longest * 2, absl::Seconds(2));
  }
}

}  // namespace twi::client
