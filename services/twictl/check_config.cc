#include "services/twictl/check_config.h"

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "services/twictl/connection.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {
namespace {

absl::StatusOr<Shown> Check(const Flags& flags) {
  TWI_RETURN_IF_ERROR(Connect(flags).status());  // reads and checks; a connection is made by the first call
  const std::string& path = flags.Get("--config");
  return Shown{{{"config", path}, {"good", true}}, absl::StrCat(path, ": good\n")};
}

}  // namespace

int RunCheckConfig(const Args& args) {
  return RunFramed({"check-config", "Checks a config of twictl: its form, the certificate files, the peers.",
                    ConnectionFlags(), 0, Check},
                   args);
}

}  // namespace twi::twictl
