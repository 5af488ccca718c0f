#include "common/metrics/watch_challenges.h"

namespace twi::metrics {

std::vector<Metrics::Token> WatchChallenges(Metrics& metrics, const Challenges& challenges) {
  const auto show = [&](const char* family, auto field) {
    return metrics.Sample(family, {}, [&challenges, field] { return static_cast<double>(challenges.stats().*field); });
  };
  return {show("twi_challenges_remembered", &Challenges::Stats::remembered),
          show("twi_challenges_capacity", &Challenges::Stats::capacity),
          show("twi_challenges_evicted_total", &Challenges::Stats::evicted)};
}

}  // namespace twi::metrics
