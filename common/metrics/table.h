// Every metric of ours. README.md of this folder shows the same table (metrics_test compares them), and besides it
// Prometheus' process_start_time_seconds, which each Metrics shows by itself.
#ifndef TWI_COMMON_METRICS_TABLE_H_
#define TWI_COMMON_METRICS_TABLE_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace twi::metrics {

enum class Type { kCounter, kGauge, kHistogram };

struct Family {
  const char* name;  // Prometheus' conventions: twi_, base units, _total for counters
  Type type;
  const char* labels;  // names, comma-separated, in the order of the alphabet; "" for none
  const char* help;
};

const std::vector<Family>& Families();
// Null when there is none.
const Family* FindFamily(absl::string_view name);

}  // namespace twi::metrics

#endif  // TWI_COMMON_METRICS_TABLE_H_
