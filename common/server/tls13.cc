#include "common/server/tls13.h"

#include <cstdlib>
#include <mutex>

namespace twi::server {

// gRPC 1.51 offers 1.2 and 1.3 and has no public way to raise the minimum of its Tls credentials (set_min_tls_version
// came later; OPENSSL_CONF's MinProtocol is overridden by gRPC). What it does read, once per process, is the cipher
// list of TLS 1.2 and below; the suites of TLS 1.3 are separate and stay OpenSSL's three. A list with nothing but a
// plain-PSK suite leaves TLS 1.2 without any usable suite, because no PSK is ever configured: such a handshake ends
// with "no shared cipher" before a certificate is shown (OpenSSL 3.0 ssl3_choose_cipher, ssl_set_client_disabled).
// server_tls_test proves it with a real TLS 1.2 client.
void RequireTls13() {
  static std::once_flag once;
  std::call_once(once, [] { setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES256-GCM-SHA384", /*overwrite=*/1); });
}

}  // namespace twi::server
