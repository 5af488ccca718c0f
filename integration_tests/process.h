// Programs as child processes: the daemons, twictl, the agent, the deployment script.
#ifndef TWI_INTEGRATION_TESTS_PROCESS_H_
#define TWI_INTEGRATION_TESTS_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace twi::integration {

// True as soon as `holds` does; false when it has not within `limit`. For what another process does and nobody
// announces.
[[nodiscard]] bool WaitUntil(const std::function<bool()>& holds, absl::Duration limit = absl::Seconds(20));

// A child in a process group of its own, killed with everything in that group at the latest when this object dies, and
// by the kernel when the thread that started it ends: start processes on the test's main thread. A failure to start
// ends the test program.
class Process {
 public:
  // argv[0]: absolute path. Standard output and error go to the files named (appended). `environment`: "NAME=VALUE",
  // besides PATH.
  static Process Start(const std::vector<std::string>& argv, const std::string& out_file, const std::string& err_file,
                       const std::vector<std::string>& environment = {});
  Process() = default;
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  bool running() const { return pid_ > 0; }  // started and not yet waited for
  void Signal(int signal) const;
  // True when it has ended, and forgets it; `exit_code`: its exit code, or minus the signal that ended it.
  bool Ended(absl::Duration limit, int* exit_code);
  // SIGKILL, and waits.
  void Kill();

 private:
  pid_t pid_ = -1;
};

struct Finished {
  int exit_code = -1;  // minus the signal when one ended it
  std::string out, err;
};

// Runs a program to its end; one that takes longer than `limit` is killed (exit_code -9).
Finished Run(const std::vector<std::string>& argv, const std::vector<std::string>& environment = {},
             absl::Duration limit = absl::Seconds(120));

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_PROCESS_H_
