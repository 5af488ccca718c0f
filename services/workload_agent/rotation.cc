#include "services/workload_agent/rotation.h"

#include <algorithm>

namespace twi::agent {

absl::Time NextRenewal(absl::Time now, absl::Time not_before, absl::Time not_after, const RenewalSettings& settings,
                       double unit) {
  const double fraction = settings.at_fraction + settings.jitter * (2 * unit - 1);
  absl::Time at = not_before + (not_after - not_before) * fraction;
  if (at <= now) at = now + (not_after - now) * settings.at_fraction;
  return std::max(at, now + settings.retry_min);
}

absl::Duration RetryDelay(std::uint32_t failed_attempts, const RenewalSettings& settings, double unit) {
  absl::Duration delay = settings.retry_min;
  for (std::uint32_t i = 1; i < failed_attempts && delay < settings.retry_max; ++i) delay *= 2;
  delay = std::min(delay, settings.retry_max);
  return std::max(delay * (1 - unit / 2), settings.retry_min);
}

}  // namespace twi::agent
