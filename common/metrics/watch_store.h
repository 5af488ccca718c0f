// The store's part of the metrics.
#ifndef TWI_COMMON_METRICS_WATCH_STORE_H_
#define TWI_COMMON_METRICS_WATCH_STORE_H_

#include "common/metrics/metrics.h"
#include "common/storage/database.h"

namespace twi::metrics {

// Counts the database's group commits from here on. `metrics` must outlive `database`.
void WatchStore(Metrics& metrics, storage::Database& database);

}  // namespace twi::metrics

#endif  // TWI_COMMON_METRICS_WATCH_STORE_H_
