// Reads back what was signed, with code that did not build it, before it leaves (style H18).
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_VALIDATE_CREDENTIAL_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_VALIDATE_CREDENTIAL_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/crypto/x509.h"
#include "common/jose/jwk.h"
#include "services/credential_authority/credential.h"

namespace twi::credential_authority {

// Checks: parses; signed by `issuer`; inside issuer's validity; not a CA; exactly one URI SAN, the identifier; exactly
// the granted DNS SANs and no other name; keyUsage critical, digitalSignature alone; both extended key usages; key,
// serial, times; the claims extension, not critical, says exactly the claims; no further extension but the key
// identifiers. CREDENTIAL_INVALID.
absl::Status ValidateX509(absl::string_view der, const CredentialFacts& facts, const crypto::Certificate& issuer);

// Checks: signature under `keys`, typ, alg, kid; exactly the claims of a WIT of ours, each as in `facts`; no aud.
// CREDENTIAL_INVALID.
absl::Status ValidateWit(absl::string_view wit, const CredentialFacts& facts, absl::string_view wit_issuer,
                         const jose::JwkSet& keys);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_VALIDATE_CREDENTIAL_H_
