// Makes gRPC speak TLS 1.3 only, on both sides.
#ifndef TWI_COMMON_SERVER_TLS13_H_
#define TWI_COMMON_SERVER_TLS13_H_

namespace twi::server {

// Must run before the first TLS credentials of the process are made (Server::Start, client::Identity and RunDaemon call
// it; more than once does no harm).
void RequireTls13();

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_TLS13_H_
