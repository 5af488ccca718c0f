// Builds and signs the two forms of a Workload Credential. Plain functions over values; what was signed is validated by
// validate_credential, which shares no code with this file.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_SIGN_CREDENTIAL_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_SIGN_CREDENTIAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/keys.h"
#include "services/credential_authority/credential.h"
#include "services/credential_authority/x509_authority.h"

namespace twi::credential_authority {

// X509-SVID (SPIFFE X509-SVID sections 2..5): one URI SAN, DNS SANs when granted, cA false, keyUsage critical
// digitalSignature, serverAuth and clientAuth, empty subject (so the SAN is critical), the claims in one non-critical
// extension. DER.
absl::StatusOr<std::string> SignX509(const CredentialFacts& facts, const X509Authority& authority);

// WIT-SVID (draft-ietf-wimse-workload-creds; SPIFFE WIT-SVID): typ wit+jwt, ES256, kid; iss, sub, iat, exp, jti,
// cnf.jwk with alg, the claims under one name; no aud.
absl::StatusOr<std::string> SignWit(const CredentialFacts& facts, absl::string_view issuer,
                                    const crypto::PrivateKey& key, absl::string_view kid);

// WIT-SVID knows no EdDSA: a credential with an Ed25519 key has no WIT.
bool MayHaveWit(const crypto::PublicKey& key);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_SIGN_CREDENTIAL_H_
