// The key that issues, with its certificates: what sign_credential signs with. issuer.h loads it.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_X509_AUTHORITY_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_X509_AUTHORITY_H_

#include <string>
#include <vector>

#include "common/crypto/keys.h"
#include "common/crypto/x509.h"

namespace twi::credential_authority {

// The X.509 side: signs leaves. Immutable.
struct X509Authority {
  crypto::PrivateKey key;
  std::vector<crypto::Certificate> chain;  // issuer first; the last one is the trust anchor when it is self-signed
  std::vector<std::string> bundle;         // DER anchors that are served
  std::vector<std::string> intermediates;  // DER certificates that go behind a leaf (chain without the anchor)
};

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_X509_AUTHORITY_H_
