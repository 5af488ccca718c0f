// A real TPM simulator (swtpm) for the life of a test, on a Unix socket in a folder of its own.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TESTING_SWTPM_PROCESS_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TESTING_SWTPM_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "common/testing/temp_dir.h"

namespace twi::agent::testing {

class SwtpmProcess {
 public:
  // nullptr when swtpm is not installed or does not come up.
  static std::unique_ptr<SwtpmProcess> Start();
  ~SwtpmProcess();

  // SIGSTOP: takes commands and answers none. SIGCONT.
  void Stop() const;
  void Continue() const;
  // Ends it, and starts another on the same socket and state. False when that does not come up.
  [[nodiscard]] bool Restart();

  // For tpm2-tss: "swtpm:path=...".
  std::string tcti() const { return "swtpm:path=" + dir_.File("sock"); }

 private:
  SwtpmProcess() = default;
  [[nodiscard]] bool Launch();
  void Kill();
  twi::testing::TempDir dir_;
  pid_t pid_ = -1;
};

}  // namespace twi::agent::testing

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TESTING_SWTPM_PROCESS_H_
