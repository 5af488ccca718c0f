#include "common/client/check_peer.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/spiffe/spiffe_id.h"

namespace twi::client {

absl::Duration TimeoutOf(const config::v1::Peer& peer) {
  return config::DurationOr(peer.has_timeout(), peer.timeout(), absl::Seconds(5));
}

absl::Status CheckPeer(const config::v1::Peer& peer, absl::string_view field) {
  const std::string& address = peer.address();
  const std::size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 ||
      port > 65535 || address.find('/') != std::string::npos) {
    return config::AtField(absl::StrCat(field, ".address"), absl::StrCat("expected HOST:PORT, got \"", address, "\""));
  }
  const absl::Status id = ValidateWorkloadIdentifier(peer.spiffe_id());
  if (!id.ok()) {
    return config::AtField(absl::StrCat(field, ".spiffe_id"),
                           absl::StrCat("expected the SPIFFE ID that the peer's certificate carries, got \"",
                                        peer.spiffe_id(), "\": ", id.message()));
  }
  const absl::Duration timeout = TimeoutOf(peer);
  return config::Expect(timeout > absl::ZeroDuration() && timeout <= absl::Minutes(10), absl::StrCat(field, ".timeout"),
                        "more than 0s, at most 10m");
}

}  // namespace twi::client
