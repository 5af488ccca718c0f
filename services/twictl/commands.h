// The subcommands of twictl: an explicit table, nothing registers itself.
#ifndef TWI_SERVICES_TWICTL_COMMANDS_H_
#define TWI_SERVICES_TWICTL_COMMANDS_H_

#include <ostream>
#include <string>
#include <vector>

namespace twi::twictl {

constexpr int kExitDone = 0;     // done; for appraise: accepted
constexpr int kExitRefused = 1;  // refused, with the reason
constexpr int kExitUsage = 2;    // the command line or a file named in it is wrong

struct Args {
  std::vector<std::string> words;  // after the subcommand
  std::ostream& out;
  std::ostream& err;
};

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Args& args);
};

const std::vector<Command>& Commands();

// Finds and runs words[0]. --help and an empty line list the commands.
int Run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_COMMANDS_H_
