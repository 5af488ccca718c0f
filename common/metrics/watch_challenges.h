// The challenge cache's part of the metrics.
#ifndef TWI_COMMON_METRICS_WATCH_CHALLENGES_H_
#define TWI_COMMON_METRICS_WATCH_CHALLENGES_H_

#include <vector>

#include "common/challenge/challenge.h"
#include "common/metrics/metrics.h"

namespace twi::metrics {

// Shows the cache at each scrape until the tokens are destroyed; `challenges` must live until then.
std::vector<Metrics::Token> WatchChallenges(Metrics& metrics, const Challenges& challenges);

}  // namespace twi::metrics

#endif  // TWI_COMMON_METRICS_WATCH_CHALLENGES_H_
