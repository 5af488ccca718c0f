// What an operator writes in one line: a TPM's address, a hook's command. Nothing of it is lost or read as another.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/workload_agent/hook.h"
#include "services/workload_agent/tpm_address.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckTpmAddress(const std::string& text) {
  const auto address = twi::agent::ParseTpmAddress(text);
  if (!address.ok()) return;
  Require(address->host.empty() == address->port.empty());
  Require(!address->device.empty() + !address->path.empty() + !address->host.empty() == 1);
  Require(address->port.find_first_not_of("0123456789") == std::string::npos);
  const std::string host = absl::StrCat("host=", address->host), port = absl::StrCat("port=", address->port);
  Require(text == absl::StrCat("device:", address->device) || text == absl::StrCat("swtpm:path=", address->path) ||
          text == absl::StrCat("swtpm:", host, ",", port) || text == absl::StrCat("swtpm:", port, ",", host));
}

void CheckHook(absl::string_view command) {
  const std::vector<std::string> arguments = twi::agent::HookArguments(command);
  for (const std::string& argument : arguments) {
    Require(!argument.empty() && !absl::StrContains(argument, " ") && absl::StrContains(command, argument));
  }
  Require(twi::agent::HookArguments(absl::StrJoin(arguments, " ")) == arguments);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckTpmAddress(text);
  CheckHook(text);
  return 0;
}
