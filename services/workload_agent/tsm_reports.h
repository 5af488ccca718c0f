// The file operations of Linux' configfs-tsm (Documentation/ABI/testing/configfs-tsm-report), so that tests can put a
// kernel of their own behind them.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TSM_REPORTS_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TSM_REPORTS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::agent {

// Report directories below one root ("/sys/kernel/config/tsm/report"). Errors: UNAVAILABLE for EBUSY and EWOULDBLOCK
// (contention: the caller may try anew), NOT_FOUND for ENOENT, ALREADY_EXISTS for EEXIST, ATTESTER_FAILED (INTERNAL
// code of ours) for the rest.
class TsmReports {
 public:
  virtual ~TsmReports() = default;
  virtual absl::Status MakeReport(const std::string& name) = 0;
  virtual absl::Status RemoveReport(const std::string& name) = 0;
  // One write(2): the kernel takes an attribute whole or not at all.
  virtual absl::Status Write(const std::string& name, absl::string_view attribute, absl::string_view bytes) = 0;
  // The whole attribute, at most `max_bytes`.
  virtual absl::StatusOr<std::string> Read(const std::string& name, absl::string_view attribute,
                                           std::size_t max_bytes) = 0;
  // Between two attempts under contention.
  virtual void Pause() = 0;
};

// The kernel's. `root` empty: "/sys/kernel/config/tsm/report".
std::unique_ptr<TsmReports> MakeConfigfsTsmReports(const std::string& root);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TSM_REPORTS_H_
