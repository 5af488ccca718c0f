// When to attest again: pure functions of the credential's times, the config, and a random number that is passed in.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_ROTATION_H_
#define TWI_SERVICES_WORKLOAD_AGENT_ROTATION_H_

#include <cstdint>

#include "absl/time/time.h"

namespace twi::agent {

struct RenewalSettings {
  double at_fraction = 0.5;  // of the lifetime
  double jitter = 0.1;       // +- this part of the lifetime
  absl::Duration retry_min = absl::Seconds(1);
  absl::Duration retry_max = absl::Minutes(5);
};

// not_before + lifetime * (at_fraction +- jitter), spread by `unit` in [0, 1), so that the workloads of a restarted
// cluster do not come back all at once. Where that is not after `now` (a provisioned credential past its half life),
// at_fraction of what is left. Never before now + retry_min.
absl::Time NextRenewal(absl::Time now, absl::Time not_before, absl::Time not_after, const RenewalSettings& settings,
                       double unit);

// After `failed_attempts` (at least 1) in a row: retry_min doubled each time up to retry_max, then cut by up to a half
// by `unit` in [0, 1); not below retry_min.
absl::Duration RetryDelay(std::uint32_t failed_attempts, const RenewalSettings& settings, double unit);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_ROTATION_H_
