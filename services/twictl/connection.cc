#include "services/twictl/connection.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/server/check_config.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"
#include "services/twictl/printable.h"

namespace twi::twictl {
namespace {

constexpr int kMaxTimeout = 600;

bool IsUsage(const absl::Status& why, DenyReason reason) {
  // INVALID_ARGUMENT with a reason of the closed list is a service's word; without one it is ours, about the command
  // line.
  return reason == v1::DENY_REASON_CONFIG_INVALID ||
         (reason == v1::DENY_REASON_INTERNAL && absl::IsInvalidArgument(why));
}

}  // namespace

std::vector<FlagSpec> ConnectionFlags() {
  return {
      {"--config", "FILE", "YAML TwictlConfig: our certificate, and where the services are", false, true},
      {"--timeout", "SECONDS", "for the whole command; default 30"},
      {"--output", "text|json", "default text"},
      {"--help", "", "this text"},
  };
}

absl::StatusOr<std::unique_ptr<Connection>> Connect(const Flags& flags) {
  auto connection = std::make_unique<Connection>();
  int seconds = 30;
  if (flags.Has("--timeout") &&
      (!absl::SimpleAtoi(flags.Get("--timeout"), &seconds) || seconds < 1 || seconds > kMaxTimeout)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--timeout ", flags.Get("--timeout"), ": expected 1..", kMaxTimeout, " seconds"));
  }
  TWI_RETURN_IF_ERROR(config::LoadConfigFile(flags.Get("--config"), connection->config));
  TWI_RETURN_IF_ERROR(config::Expect(connection->config.has_tls(), "tls", "a section, got nothing"));
  TWI_RETURN_IF_ERROR(server::CheckCommonSections(connection->config, {}, connection->clock.Now()));
  TWI_ASSIGN_OR_RETURN(connection->identity, client::Identity::FromFiles(connection->config.tls()));
  connection->deadline = connection->clock.Now() + absl::Seconds(seconds);
  return connection;
}

absl::StatusOr<config::v1::Peer> NeedPeer(bool has, const config::v1::Peer& peer, const char* section) {
  TWI_RETURN_IF_ERROR(config::Expect(has, section, "a section with address and spiffe_id"));
  return peer;
}

absl::StatusOr<bool> WantsJson(const Flags& flags) {
  const std::string output = flags.Get("--output", "text");
  if (output != "text" && output != "json")
    return absl::InvalidArgumentError(absl::StrCat("--output ", output, ": expected text or json"));
  return output == "json";
}

int ShowRefusal(const Args& args, const char* command, bool json, const absl::Status& why) {
  const DenyReason reason = DenyReasonOf(why);
  const std::string detail(why.message());
  if (IsUsage(why, reason)) {
    args.err << "twictl " << command << ": " << PrintableLines(detail) << "\n";
    return kExitUsage;
  }
  const std::string name = DenyReasonName(reason), sentence = DenyReasonSentence(reason);
  if (json) {
    const nlohmann::json shown = {{"refused", {{"reason", name}, {"sentence", sentence}, {"detail", detail}}}};
    args.out << shown.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    args.err << "twictl " << command << ": refused: " << name << "\n  " << sentence << "\n";
    if (!detail.empty() && detail != name) args.err << "  " << Printable(detail) << "\n";
  }
  return kExitRefused;
}

}  // namespace twi::twictl
