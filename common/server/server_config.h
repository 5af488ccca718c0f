// A config::v1::Server, checked and with its defaults filled in.
#ifndef TWI_COMMON_SERVER_SERVER_CONFIG_H_
#define TWI_COMMON_SERVER_SERVER_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

// grpc.health.v1.Health/Check as an allow-list names it. The daemon's own identity need not be named there.
constexpr char kHealthRpc[] = "Check";

// grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo, likewise. Not named: not served at all.
constexpr char kReflectionRpc[] = "ServerReflectionInfo";

// Who may call one RPC. Empty: nobody.
struct AllowRule {
  bool nobody() const { return spiffe_ids.empty() && !attested_key && !local_user; }
  std::set<std::string> spiffe_ids;
  bool attested_key = false;
  bool local_user = false;
};

struct ServerSettings {
  std::string listen;           // ADDRESS:PORT; empty for a Unix socket
  std::string unix_path;        // else empty
  std::uint32_t local_uid = 0;  // with unix_path: the one user who may connect
  std::map<std::string, AllowRule>
      allow;  // one entry per method of the services, also for those that config does not name
  bool any_attested_key = false;
  int max_message_bytes = 0;
  int max_concurrent_requests = 0;
  std::size_t max_receive_memory_bytes = 0;
  absl::Duration max_deadline, drain_timeout, certificate_expiry_warning;
};

// `methods`: bare names of all methods of all services. `field`: where the section stands in the config ("server");
// empty: its fields stand in the config themselves (the agent's `listen`). CONFIG_INVALID at the field's place.
absl::StatusOr<ServerSettings> CheckServerConfig(const config::v1::Server& config,
                                                 const std::vector<std::string>& methods, const std::string& field);

// "server.listen" of "server" and "listen"; "listen" of "" and "listen".
std::string FieldBelow(absl::string_view field, absl::string_view name);

// What the allow-list of a server of these services (full names) may name: their methods' bare names, kHealthRpc and
// kReflectionRpc. INTERNAL when a service is unknown or two have a method of the same name.
absl::StatusOr<std::vector<std::string>> MethodsOf(const std::vector<std::string>& service_full_names);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_SERVER_CONFIG_H_
