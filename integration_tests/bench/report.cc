#include "integration_tests/bench/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace twi::bench {
namespace {

using nlohmann::ordered_json;

std::string CpuModel() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

double Number(const ordered_json& row, const char* name) { return row.value(name, 0.0); }

// "verifier 350 + claims_mapper 120"
std::string PerDaemon(const ordered_json& values, double unit) {
  std::string text;
  for (const auto& [name, value] : values.items()) {
    char part[64];
    std::snprintf(part, sizeof part, "%s%s %.0f", text.empty() ? "" : " + ", name.c_str(), value.get<double>() / unit);
    text += part;
  }
  return text;
}

void PrintDrift(const ordered_json& drift) {
  const double p256 = Number(drift, "p256_verify") * 100, p384 = Number(drift, "p384_verify") * 100;
  std::printf("\nfloors at the end: P-256 verify %+.1f %%, P-384 verify %+.1f %%%s\n", p256, p384,
              std::max(std::abs(p256), std::abs(p384)) > 3 ? ": MORE THAN 3 %, repeat the run on a quiet machine" : "");
}

void PrintFloors(const ordered_json& report) {
  std::printf("\nfloor.crypto (us of thread CPU)\n");
  for (const auto& [name, us] : report.at("floor.crypto").items())
    std::printf("  %-28s %8.1f\n", name.c_str(), us.get<double>());
  std::printf("\nfloor.rpc (us of CPU per RPC)   server   client      p50      p99    RPC/s\n");
  for (const auto& [setup, sizes] : report.at("floor.rpc").items()) {
    for (const auto& [size, cost] : sizes.items()) {
      std::printf("  %-5s %-22s %8.1f %8.1f %8.0f %8.0f %8.0f\n", setup.c_str(), size.c_str(),
                  Number(cost, "server_us"), Number(cost, "client_us"), Number(cost, "p50_us"), Number(cost, "p99_us"),
                  Number(cost, "ops_per_s"));
    }
  }
}

void PrintLoad(const std::string& name, const ordered_json& row) {
  std::printf("\n%-24s %8.0f ops/s   p50 %.2f ms   p99 %.2f ms   server CPU %.0f us/op\n", name.c_str(),
              Number(row, "ops_per_s"), Number(row, "p50_us") / 1e3, Number(row, "p99_us") / 1e3,
              Number(row, "server_cpu_us"));
  std::printf("  server CPU, us/op:     %s\n", PerDaemon(row.at("cpu_us_per_daemon"), 1).c_str());
  std::printf("  RSS, MiB:              %s\n", PerDaemon(row.at("rss_kib"), 1024).c_str());
  if (row.contains("idle_rss_kib"))
    std::printf("  RSS idle, MiB:         %s\n", PerDaemon(row.at("idle_rss_kib"), 1024).c_str());
  std::printf("  client CPU, us/op:     %.0f (not counted above)", Number(row, "client_cpu_us"));
  if (row.contains("client_evidence_cpu_us"))
    std::printf(", of it making Evidence %.0f", Number(row, "client_evidence_cpu_us"));
  std::printf("\n");
  std::printf("  %d validated, %d tampered requests refused\n", row.value("credentials_validated", 0),
              row.value("tampered_refused", 0));
}

void PrintSpeedOfLight(const ordered_json& row) {
  std::printf("  speed of light, us:    crypto %.0f, with RPC %.0f, what the architecture asks for %.0f\n",
              Number(row, "sol_crypto_us"), Number(row, "sol_full_us"),
              Number(row, "architecture_crypto_us") + Number(row, "sol_full_us") - Number(row, "sol_crypto_us"));
  std::printf("  fraction:              of SOL_full %.2f, of SOL_crypto %.2f, of the architecture's %.2f\n",
              Number(row, "fraction_of_sol_full"), Number(row, "fraction_of_sol_crypto"),
              Number(row, "fraction_of_architecture"));
}

void PrintIssue(const ordered_json& row) {
  std::printf("  floor:                 %.0f us = %s\n", Number(row, "floor_us"),
              row.value("floor_composition", "").c_str());
  std::printf("  fraction of floor:     %.2f\n", Number(row, "fraction_of_floor"));
  if (!row.contains("spire_us")) return;
  std::printf("  against SPIRE:         %.0f us x %.2f = %.0f us here; ours is %.2f of it (goal 0.33)\n",
              Number(row, "spire_us"), Number(row, "spire_scale"), Number(row, "spire_us") * Number(row, "spire_scale"),
              Number(row, "fraction_of_spire"));
}

void PrintMapEval(const std::string& name, const ordered_json& row) {
  std::printf("\n%-24s %8.0f ns/op   p50 %.1f us   p99 %.1f us   parse %.0f us per policy, index %.0f ms\n",
              name.c_str(), Number(row, "ns_per_op"), Number(row, "p50_us"), Number(row, "p99_us"),
              Number(row, "parse_us_per_policy"), Number(row, "index_ms"));
  if (row.contains("slope_ns_per_policy"))
    std::printf("  slope:                 %.5f ns per policy\n", Number(row, "slope_ns_per_policy"));
}

void PrintAtls(const std::string& name, const ordered_json& rows) {
  std::printf("\n%s\n", name.c_str());
  for (const auto& [kind, row] : rows.items()) {
    if (kind == "throughput") {
      std::printf("  throughput             plain %.0f MB/s, session %.0f MB/s: %.2f of plain\n",
                  Number(row, "plain_mb_s"), Number(row, "session_mb_s"), Number(row, "vs_plain"));
    } else if (kind == "tunnel") {
      std::printf("  tunnel                 agent to agent %.0f MB/s: %.2f of plain\n", Number(row, "tunnel_mb_s"),
                  Number(row, "vs_plain"));
    } else {
      std::printf("  %-20s %8.0f handshakes/s   p50 %.2f ms   p99 %.2f ms   CPU %.0f us   %.2f of plain\n",
                  kind.c_str(), Number(row, "handshakes_per_s"), Number(row, "p50_us") / 1e3,
                  Number(row, "p99_us") / 1e3, Number(row, "cpu_us"), Number(row, "vs_plain"));
    }
  }
}

}  // namespace

ordered_json DescribeMachine() {
  utsname name{};
  uname(&name);
  double load[1] = {0};
  if (getloadavg(load, 1) != 1) load[0] = -1;
  return {{"cpu", CpuModel()},
          {"cpus", std::thread::hardware_concurrency()},
          {"kernel", name.release},
          {"load_at_start", load[0]},
#ifdef NDEBUG
          {"optimized", true}
#else
          {"optimized", false}
#endif
  };
}

void PrintReport(const ordered_json& report) {
  const ordered_json& machine = report.at("machine");
  std::printf("%s, %d CPUs, load %.2f when it began\n", machine.value("cpu", "").c_str(), machine.value("cpus", 0),
              Number(machine, "load_at_start"));
  if (!machine.value("optimized", false))
    std::printf("NOT AN OPTIMIZED BUILD (bazel run -c opt): the figures say nothing\n");
  PrintFloors(report);
  for (const auto& [name, row] : report.at("rows").items()) {
    if (row.contains("ns_per_op")) {
      PrintMapEval(name, row);
      continue;
    }
    if (row.contains("plain.mutual")) {
      PrintAtls(name, row);
      continue;
    }
    PrintLoad(name, row);
    if (row.contains("sol_full_us")) PrintSpeedOfLight(row);
    if (row.contains("floor_us")) PrintIssue(row);
  }
  PrintDrift(report.at("floor.drift"));
  std::fflush(stdout);
}

}  // namespace twi::bench
