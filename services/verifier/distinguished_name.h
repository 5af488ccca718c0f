// A DER Name (RFC 5280 section 4.1.2.4) as text (RFC 4514): most specific first, "CN=EK/AK CA Intermediate,O=Google
// LLC,C=US".
#ifndef TWI_SERVICES_VERIFIER_DISTINGUISHED_NAME_H_
#define TWI_SERVICES_VERIFIER_DISTINGUISHED_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace twi::verifier {

// For people to read and for comparing with text; never for matching issuers (that is done on the DER). Unknown
// attribute types appear as dotted OIDs, values that are not UTF-8, printable or IA5 strings as #hex. Empty for an
// empty Name, "(malformed name)" for bytes that are none.
std::string NameToText(absl::string_view name_der);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_DISTINGUISHED_NAME_H_
