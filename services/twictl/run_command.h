// The frame of a subcommand: --help, flags, --output, exit code. What it does is a function from flags to what is
// shown.
#ifndef TWI_SERVICES_TWICTL_RUN_COMMAND_H_
#define TWI_SERVICES_TWICTL_RUN_COMMAND_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "services/twictl/commands.h"
#include "services/twictl/flags.h"

namespace twi::twictl {

// What a command found out or did: for a program, and for a person. `exit_code` kExitRefused: it is shown, and
// something in it is refused.
struct Shown {
  nlohmann::json json;
  std::string text;
  int exit_code = kExitDone;
};

struct CommandFrame {
  const char* name;
  const char* summary;
  std::vector<FlagSpec> specs;  // must hold --output and --help
  std::size_t max_positional = 0;
  absl::StatusOr<Shown> (*run)(const Flags& flags);
};

// The two flags that every command has.
FlagSpec OutputFlag();
FlagSpec HelpFlag();

// An error of `run` is shown by ShowRefusal (connection.h), which also says the exit code.
int RunFramed(const CommandFrame& frame, const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_RUN_COMMAND_H_
