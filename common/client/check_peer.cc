#include "common/client/check_peer.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/checks.h"
#include "common/config/load_yaml.h"
#include "common/spiffe/spiffe_id.h"

namespace twi::client {

absl::Duration TimeoutOf(const config::v1::Peer& peer) {
  return config::DurationOr(peer.has_timeout(), peer.timeout(), absl::Seconds(5));
}

namespace {

// HOST:PORT with a port of 1..65535 in plain digits; an IPv6 address stands in brackets.
bool IsHostPort(absl::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view host = address.substr(0, colon), port = address.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  int number = 0;
  return !host.empty() && !absl::StrContains(host, '/') &&
         (bracketed || host.find_first_of(":[]") == absl::string_view::npos) &&
         std::all_of(port.begin(), port.end(), absl::ascii_isdigit) && absl::SimpleAtoi(port, &number) && number >= 1 &&
         number <= 65535;
}

}  // namespace

absl::Status CheckPeer(const config::v1::Peer& peer, absl::string_view field) {
  const std::string& address = peer.address();
  if (!IsHostPort(address)) {
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
