// Certificates, alone and in PEM lists, and CRLs: no crash, what is kept is a part of the input, and nothing verifies
// or chains by accident.
#include <cstdint>
#include <cstdlib>

#include "common/crypto/x509.h"

using namespace twi::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const auto* const stranger = new PrivateKey(*PrivateKey::Generate(KeyType::kP256));
  const auto certs = ParseCertificates(bytes);
  if (certs.ok()) {
    for (const Certificate& cert : *certs) {
      if (cert.der.find(cert.tbs) == std::string::npos || cert.serial.empty()) std::abort();
      if (VerifyCertificateSignature(cert, stranger->public_key()).ok()) std::abort();
      const auto again = ParseCertificates(CertificateToPem(cert.der));
      if (!again.ok() || again->size() != 1 || (*again)[0].der != cert.der) std::abort();
    }
    (void)BuildPath((*certs)[0], *certs, {certs->back()}, {absl::FromUnixSeconds(1790000000)});
  }
  const auto crl = ParseCrl(bytes);
  if (crl.ok() && VerifyCrlSignature(*crl, stranger->public_key()).ok()) std::abort();
  return 0;
}
