// What every main.cc shares: flags, config, log, signals. main.cc assembles, then serves (style H7).
#ifndef TWI_COMMON_SERVER_DAEMON_H_
#define TWI_COMMON_SERVER_DAEMON_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/metrics/metrics.h"
#include "common/server/check_config.h"
#include "google/protobuf/message.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

// A daemon that runs: stopped by SIGTERM or SIGINT, reloaded by SIGHUP.
class Running {
 public:
  virtual ~Running() = default;
  virtual void Drain() = 0;
  // Called on SIGHUP (and nothing else) with the config in force, in it the DaemonSpec's `reloadable` fields as they
  // are in the file now (also when nothing differs: the files that they name may). CheckConfig is good with the file,
  // and with this. All of it takes effect, or nothing: an error is logged, and what was in force stays.
  virtual absl::Status Reload(const google::protobuf::Message& config) = 0;
  virtual int port() const = 0;
  // True: it says READY=1 to the service manager itself (notify.h), since it is not of use as soon as it has started.
  virtual bool TellsReady() const { return false; }
};

struct DaemonSpec {
  std::string name;                                   // "verifier"
  std::string summary;                                // one line for --help
  std::unique_ptr<google::protobuf::Message> config;  // empty prototype of the daemon's config message
  // What CheckCommonSections (check_config.h) needs to know.
  CheckOptions common;
  // Fields of the config that Running::Reload puts in force; `log` is always one. A change of any other field needs a
  // restart, and SIGHUP says so.
  std::vector<std::string> reloadable;
  // Everything that --check-config checks beyond form and the common sections: files that must exist, contradictions.
  // Must not listen, create files, or call anyone. Errors at their field's place: common/config/checks.h.
  std::function<absl::Status(const google::protobuf::Message&)> validate;
  std::function<absl::StatusOr<std::unique_ptr<Running>>(const google::protobuf::Message&)> start;
  // Where --probe asks; empty: the config's field `server` says it.
  std::function<absl::StatusOr<config::v1::Server>(const google::protobuf::Message&)> probe_at;
  // Instead of `start`, when set: does its work, logs what came of it, and gives the exit code.
  std::function<int(const google::protobuf::Message&)> run_once;
};

// Common sections, then spec.validate: what --check-config, every start and SIGHUP check.
absl::Status CheckConfig(const DaemonSpec& spec, const google::protobuf::Message& config, absl::Time now);

// What SIGHUP puts in force, and what it cannot.
struct ReloadPlan {
  std::unique_ptr<google::protobuf::Message> config;  // that in force, with the reloadable fields of the new one
  std::vector<std::string> changed;                   // reloadable fields that differ
  std::vector<std::string> need_restart;              // other fields that differ
};
ReloadPlan PlanReload(const DaemonSpec& spec, const google::protobuf::Message& in_force,
                      const google::protobuf::Message& from_file);

// Flags: --config FILE (required), --check-config, --probe [live|ready|started] (probe.h), --port-file FILE (writes the
// bound port when listening: for tests and the demo), --help, --version. The message must have a field `log` of
// twi.config.v1.Log. Exit code: 0 stopped in good order, config good, or probe good; 1 could not start, or probe not
// good; 2 usage or config. Every insecure_ field that is set is logged at WARN.
// SIGHUP opens the log file anew, whatever the config file says; then what it changes is put in force, as a whole, or
// refused ("reloaded", "reload_refused"), and what needs a restart is named. A log that cannot be opened is an event of
// its own ("log_not_opened") and refuses nothing.
// With NOTIFY_SOCKET (systemd) the service manager is told READY=1 when it listens (or by Running::TellsReady), and
// STOPPING=1.
int RunDaemon(int argc, char** argv, DaemonSpec spec);

// twi_build_info of this release.
void SetBuildInfo(metrics::Metrics& metrics, const std::string& service);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_DAEMON_H_
