// The one name of our claims, in both forms of a credential. From a UUID (RFC 9562), so that nobody needs to register
// it: 7a1f3c52-9d84-4e6b-8c0d-5b2e61f7a394.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_CLAIMS_NAME_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_CLAIMS_NAME_H_

namespace twi::credential_authority {

// X.509: a non-critical extension; its value is a DER UTF8String with the claims as a JSON object. The UUID stands
// under Microsoft's arc for GUIDs, cut into small numbers (16, 16, 16, 16, 16, 24, 24 bits): with the one number of 128
// bits of 2.25 (ITU-T X.667) the X.509 parsers of Go and of Python's cryptography refuse the whole certificate.
constexpr char kClaimsOid[] = "1.2.840.113556.1.8000.2554.31263.15442.40324.20075.35853.5975649.16229268";
// WIT: a collision-resistant claim name (RFC 7519 section 4.2).
constexpr char kClaimsClaim[] = "urn:uuid:7a1f3c52-9d84-4e6b-8c0d-5b2e61f7a394";

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_CLAIMS_NAME_H_
