// gRPC says only that it cannot listen; the operator wants to know why.
#ifndef TWI_COMMON_SERVER_LISTEN_ERROR_H_
#define TWI_COMMON_SERVER_LISTEN_ERROR_H_

#include <string>

namespace twi::server {

// To be called when listening on "ADDRESS:PORT" failed: tries the address once more, without listening, and gives the
// kernel's words ("Address already in use").
std::string WhyNotListening(const std::string& address);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_LISTEN_ERROR_H_
