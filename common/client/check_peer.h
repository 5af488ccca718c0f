// A config::v1::Peer, checked without connecting.
#ifndef TWI_COMMON_CLIENT_CHECK_PEER_H_
#define TWI_COMMON_CLIENT_CHECK_PEER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::client {

// Whether a channel could be made: address, SPIFFE ID, timeout. CONFIG_INVALID at the place below `field`.
absl::Status CheckPeer(const config::v1::Peer& peer, absl::string_view field);

// How long a call to it may take.
absl::Duration TimeoutOf(const config::v1::Peer& peer);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_CHECK_PEER_H_
