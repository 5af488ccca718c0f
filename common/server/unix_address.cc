#include "common/server/unix_address.h"

#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace twi::server {
namespace {

constexpr absl::string_view kUnix = "unix:";
constexpr absl::string_view kUid = "uid:";

}  // namespace

bool IsUnixAddress(absl::string_view listen) { return absl::StartsWith(listen, kUnix); }

std::optional<std::string> UnixPathOf(absl::string_view listen) {
  if (!absl::ConsumePrefix(&listen, kUnix) || !absl::StartsWith(listen, "/")) return std::nullopt;
  if (listen.size() >= sizeof(sockaddr_un::sun_path)) return std::nullopt;
  return std::string(listen);
}

std::optional<std::uint32_t> UidOf(absl::string_view peer) {
  std::uint32_t uid = 0;
  if (!absl::ConsumePrefix(&peer, kUid) || !absl::SimpleAtoi(peer, &uid)) return std::nullopt;
  return uid;
}

}  // namespace twi::server
