#include "common/testing/tls_probe.h"

#include "common/testing/raw_tls.h"

namespace twi::testing {

ProbeResult ProbeTls(int port, TlsVersion version, const std::string& certificate_pem, const std::string& key_pem) {
  RawTls tls(port, {certificate_pem, key_pem, version == TlsVersion::k12, "h2"});
  // In TLS 1.3 the client is done before the server has judged its certificate: only the server's first frame says
  // that it did.
  const std::string preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x4\0\0\0\0\0", 33);
  const bool served = tls.Write(preface) && !tls.Read().empty();
  return {tls.handshake_done(), served, tls.version()};
}

}  // namespace twi::testing
