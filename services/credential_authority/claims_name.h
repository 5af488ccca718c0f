// The one name of our claims, in both forms of a credential. From a UUID (RFC 9562), so that nobody needs to register
// it: 7a1f3c52-9d84-4e6b-8c0d-5b2e61f7a394.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_CLAIMS_NAME_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_CLAIMS_NAME_H_

namespace twi::credential_authority {

// X.509: a non-critical extension under 2.25 (ITU-T X.667); its value is a DER UTF8String with the claims as a JSON
// object.
constexpr char kClaimsOid[] = "2.25.162328000178408956499269435400966874004";
// WIT: a collision-resistant claim name (RFC 7519 section 4.2).
constexpr char kClaimsClaim[] = "urn:uuid:7a1f3c52-9d84-4e6b-8c0d-5b2e61f7a394";

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_CLAIMS_NAME_H_
