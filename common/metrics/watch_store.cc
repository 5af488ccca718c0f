#include "common/metrics/watch_store.h"

namespace twi::metrics {

void WatchStore(Metrics& metrics, storage::Database& database) {
  database.ObserveCommits([seconds = metrics.HistogramOf("twi_store_commit_duration_seconds"),
                           writes = metrics.CounterOf("twi_store_commit_writes_total"),
                           failures = metrics.CounterOf("twi_store_commit_failures_total")](
                              absl::Duration took, std::size_t stored) mutable {
    seconds.Observe(absl::ToDoubleSeconds(took));
    if (stored == 0) failures.Increment();
    if (stored > 0) writes.Increment(static_cast<double>(stored));
  });
}

}  // namespace twi::metrics
