// A closed loop: so many callers, each beginning its next operation when the last one is done.
#ifndef TWI_INTEGRATION_TESTS_BENCH_CLOSED_LOOP_H_
#define TWI_INTEGRATION_TESTS_BENCH_CLOSED_LOOP_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace twi::bench {

struct LoopResult {
  double seconds = 0;
  std::size_t operations = 0;
  double p50_us = 0, p99_us = 0;
  double self_cpu_us = 0;                 // of this process (the clients), per operation
  std::map<std::string, double> cpu_us;   // per daemon, per operation
  std::map<std::string, double> rss_kib;  // per daemon, at the end
  double ops_per_s() const { return seconds > 0 ? static_cast<double>(operations) / seconds : 0; }
  double server_cpu_us() const;  // sum over the daemons
};

using Processes = std::map<std::string, pid_t>;

// Runs `operation(caller)` on `callers` threads. After `warm_up` seconds that do not count, measures for `seconds`; an
// operation counts when it began in that time, and the CPU readings enclose exactly those. `operation` returns false
// when there is nothing left to do.
LoopResult RunClosedLoop(int callers, double warm_up, double seconds, const Processes& processes,
                         const std::function<bool(int caller)>& operation);

nlohmann::ordered_json ToJson(const LoopResult& result);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_CLOSED_LOOP_H_
