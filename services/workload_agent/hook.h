// The command that the operator wants run when the credential changed ("systemctl reload nginx"). No shell: argv by
// spaces, the program by its absolute path.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_HOOK_H_
#define TWI_SERVICES_WORKLOAD_AGENT_HOOK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace twi::agent {

struct HookResult {
  absl::Status status;  // OK: exit code 0. AGENT_HOOK_FAILED: could not start, another exit code, a signal, or not done
                        // within the timeout
  std::string output;   // its standard output and error, at most 4 KiB, for the log
};

// Words of a command line, split at spaces; quotes mean nothing.
std::vector<std::string> HookArguments(absl::string_view command);

// Runs and waits. The command gets our environment plus TWI_CREDENTIAL_DIRECTORY, a process group of its own, /dev/null
// as input, default signals; at the timeout the whole group is killed.
HookResult RunHook(const std::vector<std::string>& arguments, const std::string& credential_directory,
                   absl::Duration timeout);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_HOOK_H_
