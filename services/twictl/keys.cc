#include "services/twictl/keys.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/client/key_store_client.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/status_macros.h"
#include "services/twictl/connection.h"

namespace twi::twictl {
namespace {

std::string TypeName(v1::CredentialKeyType type) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::CredentialKeyType_Name(type), "CREDENTIAL_KEY_TYPE_"));
}

std::string Time(std::int64_t unix_seconds) {
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(unix_seconds), absl::UTCTimeZone());
}

absl::StatusOr<Shown> List(const Flags& flags) {
  if (flags.positional().size() != 1 || flags.positional()[0] != "list")
    return absl::InvalidArgumentError("expected: keys list");
  TWI_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connect(flags));
  TWI_ASSIGN_OR_RETURN(const config::v1::Peer peer,
                       NeedPeer(connection->config.has_key_store(), connection->config.key_store(), "key_store"));
  TWI_ASSIGN_OR_RETURN(const auto client, client::MakeKeyStoreClient(peer, *connection->identity, connection->clock));
  TWI_ASSIGN_OR_RETURN(const v1::ListKeysResponse keys, client->ListKeys(connection->deadline));
  return ShowKeys(keys);
}

}  // namespace

Shown ShowKeys(const v1::ListKeysResponse& keys) {
  Shown shown;
  shown.json = {{"keys", nlohmann::json::array()}};
  for (const v1::KeyInfo& key : keys.keys()) {
    const std::string sha256 = ToHex(crypto::Sha256(key.public_key()));
    shown.json["keys"].push_back({{"key_id", key.key_id()},
                                  {"key_type", TypeName(key.key_type())},
                                  {"public_key_sha256", sha256},
                                  {"owner", key.owner()},
                                  {"target", key.target()},
                                  {"created", Time(key.created_unix())},
                                  {"releases", key.releases()},
                                  {"refusals", key.refusals()},
                                  {"release_policy", key.release_policy()}});
    absl::StrAppend(&shown.text, key.key_id(), "  ", TypeName(key.key_type()), "  for ", key.target(),
                    "\n  created    ", Time(key.created_unix()), "\n  released   ", key.releases(), " times, refused ",
                    key.refusals(), "\n  public key SHA-256 ", sha256, "\n");
  }
  if (keys.keys().empty()) shown.text = "no key is held for this owner\n";
  return shown;
}

int RunKeys(const Args& args) {
  return RunFramed({"keys", "keys list: the Workload Owner's keys in the Key Store, with their release policies.",
                    ConnectionFlags(), 1, List},
                   args);
}

}  // namespace twi::twictl
