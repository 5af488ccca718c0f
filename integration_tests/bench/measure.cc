#include "integration_tests/bench/measure.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"

namespace twi::bench {
namespace {

double Micros(clockid_t clock) {
  timespec t{};
  if (clock_gettime(clock, &t) != 0) Fail("clock_gettime");
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

}  // namespace

double ThreadCpuMicros() { return Micros(CLOCK_THREAD_CPUTIME_ID); }
double SelfCpuMicros() { return Micros(CLOCK_PROCESS_CPUTIME_ID); }
double WallMicros() { return Micros(CLOCK_MONOTONIC); }

absl::StatusOr<double> ProcessCpuMicros(pid_t pid) {
  clockid_t clock{};
  timespec t{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
    return absl::NotFoundError(absl::StrCat("no CPU clock of process ", pid, ": has it ended?"));
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

absl::StatusOr<double> ResidentKib(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atof(line.c_str() + 6);
  }
  return absl::NotFoundError(absl::StrCat("no VmRSS of process ", pid));
}

double MedianCpuMicros(const std::function<absl::Status()>& op, double micros_each) {
  std::vector<double> repeats;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const double begin = ThreadCpuMicros();
    double used = 0;
    int operations = 0;
    while (used < micros_each) {
      for (int i = 0; i < 16; ++i) OrFail(op(), "an operation of floor.crypto");
      operations += 16;
      used = ThreadCpuMicros() - begin;
    }
    repeats.push_back(used / operations);
  }
  return Percentile(repeats, 50);
}

double Percentile(std::vector<double>& values, double percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(values.size())));
  return values[std::min(values.size() - 1, std::max<std::size_t>(rank, 1) - 1)];
}

void Fail(const std::string& what) {
  std::fprintf(stderr, "bench: FAILED: %s\n", what.c_str());
  std::fflush(nullptr);
  std::exit(1);
}

void OrFail(const absl::Status& status, const std::string& what) {
  if (status.ok()) return;
  Fail(absl::StrCat(what, ": ", DenyReasonName(DenyReasonOf(status)), ": ", std::string(status.message())));
}

void Progress(const std::string& line) {
  static const double start = WallMicros();
  std::fprintf(stderr, "[%6.1f s] %s\n", (WallMicros() - start) / 1e6, line.c_str());
}

}  // namespace twi::bench
