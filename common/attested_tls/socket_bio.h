// A BIO over a socket that sends with MSG_NOSIGNAL: a peer that goes away is an error, not a signal. Inside
// common/attested_tls only.
#ifndef TWI_COMMON_ATTESTED_TLS_SOCKET_BIO_H_
#define TWI_COMMON_ATTESTED_TLS_SOCKET_BIO_H_

#include "openssl/bio.h"

namespace twi::atls {

// Does not own the socket. Null when OpenSSL has no memory.
BIO* NewSocketBio(int socket);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_SOCKET_BIO_H_
