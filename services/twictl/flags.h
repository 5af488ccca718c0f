// Flags of a subcommand: strict. An unknown flag, a missing or a second value is a usage error, never a guess.
#ifndef TWI_SERVICES_TWICTL_FLAGS_H_
#define TWI_SERVICES_TWICTL_FLAGS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace twi::twictl {

struct FlagSpec {
  std::string name;   // with dashes: "--evidence"
  std::string value;  // placeholder in the usage text: "FILE"; empty: a switch without value
  std::string help;
  bool repeated = false;
  bool required = false;
};

// "--name value", "--name=value" or "--name" (switch). "--" ends flags.
class Flags {
 public:
  // `max_positional`: how many words without dashes are allowed. INVALID_ARGUMENT with a sentence for the user.
  static absl::StatusOr<Flags> Parse(const std::vector<FlagSpec>& specs, const std::vector<std::string>& words,
                                     std::size_t max_positional = 0);

  bool Has(const std::string& name) const { return values_.count(name) != 0; }
  std::string Get(const std::string& name, const std::string& otherwise = "") const;  // the only value
  std::vector<std::string> All(const std::string& name) const;
  const std::vector<std::string>& positional() const { return positional_; }

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> positional_;
};

// "usage: twictl appraise --evidence FILE ..." and a line per flag.
std::string Usage(const std::string& command, const std::string& summary, const std::vector<FlagSpec>& specs);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_FLAGS_H_
