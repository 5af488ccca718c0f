// Does a server accept a client, before any RPC? Tests only.
#ifndef TWI_COMMON_TESTING_TLS_PROBE_H_
#define TWI_COMMON_TESTING_TLS_PROBE_H_

#include <string>

namespace twi::testing {

enum class TlsVersion { k12, k13 };

struct ProbeResult {
  bool handshake_done = false;  // the client's side of it
  bool served = false;          // the server answered with application data (its HTTP/2 SETTINGS): it accepted us
  std::string version;          // "TLSv1.3"
};

// Connects to 127.0.0.1:port with exactly `version` and ALPN h2, accepts any server certificate, and presents the given
// client certificate (PEM; none when empty).
ProbeResult ProbeTls(int port, TlsVersion version, const std::string& certificate_pem, const std::string& key_pem);

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_TLS_PROBE_H_
