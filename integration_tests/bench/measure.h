// Clocks, CPU time and memory as the kernel accounts them, and the few statistics that a report needs.
#ifndef TWI_INTEGRATION_TESTS_BENCH_MEASURE_H_
#define TWI_INTEGRATION_TESTS_BENCH_MEASURE_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace twi::bench {

// Microseconds of CPU that this thread (this process) has used: CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID.
double ThreadCpuMicros();
double SelfCpuMicros();
// Wall time, monotonic, microseconds.
double WallMicros();

// CPU of another process of the same user, user and system, threads that ended included, in microseconds: the process's
// CPU clock (clock_getcpuclockid), which counts nanoseconds where /proc/PID/stat counts ticks of 10 ms.
absl::StatusOr<double> ProcessCpuMicros(pid_t pid);
// VmRSS of /proc/PID/status in KiB.
absl::StatusOr<double> ResidentKib(pid_t pid);

// The thread CPU of one `op` in microseconds: 7 repeats of at least `micros_each` CPU, each the mean of its operations;
// the median of the 7. The benchmark ends when `op` fails: a fast wrong answer is no measurement.
double MedianCpuMicros(const std::function<absl::Status()>& op, double micros_each = 40000);

// Nearest rank; 0 for no values. Sorts `values`.
double Percentile(std::vector<double>& values, double percent);

// Ends the process (exit code 1) with what went wrong.
[[noreturn]] void Fail(const std::string& what);
void OrFail(const absl::Status& status, const std::string& what);
template <typename T>
T OrFail(absl::StatusOr<T> value, const std::string& what) {
  OrFail(value.status(), what);
  return *std::move(value);
}

// A line on standard error, with the seconds since the start.
void Progress(const std::string& line);

}  // namespace twi::bench

#endif  // TWI_INTEGRATION_TESTS_BENCH_MEASURE_H_
