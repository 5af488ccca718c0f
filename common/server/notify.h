// Tells the service manager how the daemon is (sd_notify(3), the protocol only: one datagram to $NOTIFY_SOCKET).
#ifndef TWI_COMMON_SERVER_NOTIFY_H_
#define TWI_COMMON_SERVER_NOTIFY_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace twi::server {

// "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1". OK without a service manager (NOTIFY_SOCKET unset).
// CONFIG_INVALID: NOTIFY_SOCKET is no absolute path or abstract name of at most 107 bytes, or nobody takes the
// datagram: then the manager would wait for ever, so the caller must not go on in silence.
absl::Status NotifyServiceManager(absl::string_view state);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_NOTIFY_H_
