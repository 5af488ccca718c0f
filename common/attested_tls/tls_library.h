// OpenSSL for this room: a library context of its own with a provider of ours, whose keys are handles that can only
// sign. Inside common/attested_tls only.
#ifndef TWI_COMMON_ATTESTED_TLS_TLS_LIBRARY_H_
#define TWI_COMMON_ATTESTED_TLS_TLS_LIBRARY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attested_tls/attester.h"
#include "openssl/ssl.h"

namespace twi::atls {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using UniqueSslCtx = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using UniqueSsl = std::unique_ptr<SSL, Freer<SSL_free>>;
using UniqueX509 = std::unique_ptr<X509, Freer<X509_free>>;
using UniquePkey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

// Made at first use, for the life of the process; null when OpenSSL cannot be set up.
OSSL_LIB_CTX* TlsLibrary();

// A key for the TLS stack that signs by attester.SignHandshake and holds nothing secret. `attester` must outlive it.
// INTERNAL.
absl::StatusOr<UniquePkey> MakeHandle(const Attester& attester);

absl::StatusOr<UniqueX509> ParseX509(absl::string_view der);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_TLS_LIBRARY_H_
