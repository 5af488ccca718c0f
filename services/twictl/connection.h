// What every subcommand that talks to a service shares: --config, --timeout, --output, and how a refusal is shown.
#ifndef TWI_SERVICES_TWICTL_CONNECTION_H_
#define TWI_SERVICES_TWICTL_CONNECTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/client/channel.h"
#include "common/client/grpc_library.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/twictl.pb.h"
#include "services/twictl/commands.h"
#include "services/twictl/flags.h"

namespace twi::twictl {

// "--config FILE" (required), "--timeout SECONDS" and "--output text|json", for the front of a command's own specs.
std::vector<FlagSpec> ConnectionFlags();

// Who we are and until when we wait. The clients of common/client take `identity` and `clock`, which must outlive them.
struct Connection {
  client::GrpcLibrary grpc;  // first to come and last to go
  config::v1::TwictlConfig config;
  std::shared_ptr<client::Identity> identity;
  SystemClock clock;
  absl::Time deadline;
};

// Reads --config (CONFIG_INVALID names file, line, column) and the certificate files, and starts the time that
// --timeout gives (default 30 s, 1..600).
absl::StatusOr<std::unique_ptr<Connection>> Connect(const Flags& flags);

// The peer of `section`, or CONFIG_INVALID when the config leaves it out.
absl::StatusOr<config::v1::Peer> NeedPeer(bool has, const config::v1::Peer& peer, const char* section);

// --output: true for json. INVALID_ARGUMENT for anything but text and json.
absl::StatusOr<bool> WantsJson(const Flags& flags);

// Shows why `command` did not do it, and gives its exit code: kExitUsage for CONFIG_INVALID and INVALID_ARGUMENT
// without a reason (the command line, a file of ours), kExitRefused for the rest. With `json` a {"refused": {"reason",
// "sentence", "detail"}} goes to `args.out`, else the text to `args.err`.
int ShowRefusal(const Args& args, const char* command, bool json, const absl::Status& why);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_CONNECTION_H_
