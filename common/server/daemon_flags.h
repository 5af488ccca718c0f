// The flags that every daemon has (daemon.h).
#ifndef TWI_COMMON_SERVER_DAEMON_FLAGS_H_
#define TWI_COMMON_SERVER_DAEMON_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"

namespace twi::server {

constexpr char kTwiVersion[] = "0.1.0";

struct DaemonFlags {
  std::string config;
  std::string port_file;
  std::string probe;  // "live", "ready" or "started"; empty: no probe
  bool check_config = false;
  bool help = false;
  bool version = false;
};

// "--name value" or "--name=value"; --probe alone is "--probe ready". INVALID_ARGUMENT: unknown flag, flag given twice,
// a stray argument, a missing value, another question than the three, --check-config beside --probe, no --config.
absl::StatusOr<DaemonFlags> ParseDaemonFlags(int argc, const char* const* argv);

std::string DaemonHelp(const std::string& name, const std::string& summary);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_DAEMON_FLAGS_H_
