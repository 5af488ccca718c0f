// "unix:/path" and "uid:N": how configs name a Unix socket, and who may connect to it.
#ifndef TWI_COMMON_SERVER_UNIX_ADDRESS_H_
#define TWI_COMMON_SERVER_UNIX_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::server {

// What UnixPathOf takes, for errors.
constexpr char kUnixAddressForm[] = "unix: and an absolute path of at most 107 bytes";

// Does `listen` mean a Unix socket (good or not), and no address with a port?
bool IsUnixAddress(absl::string_view listen);

// The path of "unix:/path", absolute and of at most 107 bytes, which is what the kernel takes; none for anything else.
std::optional<std::string> UnixPathOf(absl::string_view listen);

// The N of "uid:N"; none for anything else.
std::optional<std::uint32_t> UidOf(absl::string_view peer);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_UNIX_ADDRESS_H_
