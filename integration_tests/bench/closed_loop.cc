#include "integration_tests/bench/closed_loop.h"

#include <thread>

#include "integration_tests/bench/measure.h"

namespace twi::bench {
namespace {

std::map<std::string, double> CpuOf(const Processes& processes) {
  std::map<std::string, double> cpu;
  for (const auto& [name, pid] : processes) cpu[name] = OrFail(ProcessCpuMicros(pid), name);
  return cpu;
}

// The latencies of all operations that began before the end.
std::vector<double> RunFor(int callers, double seconds, const std::function<bool(int)>& operation) {
  const double end = WallMicros() + seconds * 1e6;
  std::vector<std::vector<double>> latencies(callers);
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      for (double begin = WallMicros(); begin < end;) {
        if (!operation(caller)) return;
        const double done = WallMicros();
        latencies[caller].push_back(done - begin);
        begin = done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> all;
  for (const auto& one : latencies) all.insert(all.end(), one.begin(), one.end());
  return all;
}

}  // namespace

double LoopResult::server_cpu_us() const {
  double sum = 0;
  for (const auto& [name, us] : cpu_us) sum += us;
  return sum;
}

LoopResult RunClosedLoop(int callers, double warm_up, double seconds, const Processes& processes,
                         const std::function<bool(int)>& operation) {
  if (warm_up > 0) RunFor(callers, warm_up, operation);
  LoopResult result;
  const std::map<std::string, double> cpu_before = CpuOf(processes);
  const double self_before = SelfCpuMicros();
  const double begin = WallMicros();
  std::vector<double> latencies = RunFor(callers, seconds, operation);
  result.seconds = (WallMicros() - begin) / 1e6;
  const double self_after = SelfCpuMicros();
  const std::map<std::string, double> cpu_after = CpuOf(processes);
  if (latencies.empty()) Fail("a closed loop completed no operation");

  const double n = static_cast<double>(latencies.size());
  result.operations = latencies.size();
  result.self_cpu_us = (self_after - self_before) / n;
  for (const auto& [name, before] : cpu_before) result.cpu_us[name] = (cpu_after.at(name) - before) / n;
  for (const auto& [name, pid] : processes) result.rss_kib[name] = OrFail(ResidentKib(pid), name);
  result.p50_us = Percentile(latencies, 50);
  result.p99_us = Percentile(latencies, 99);
  return result;
}

nlohmann::ordered_json ToJson(const LoopResult& r) {
  return {{"operations", r.operations},
          {"seconds", r.seconds},
          {"ops_per_s", r.ops_per_s()},
          {"p50_us", r.p50_us},
          {"p99_us", r.p99_us},
          {"server_cpu_us", r.server_cpu_us()},
          {"cpu_us_per_daemon", r.cpu_us},
          {"client_cpu_us", r.self_cpu_us},
          {"rss_kib", r.rss_kib}};
}

}  // namespace twi::bench
