// Signed JSON objects of TWI, for display.
#ifndef TWI_SERVICES_TWICTL_INSPECT_JWS_H_
#define TWI_SERVICES_TWICTL_INSPECT_JWS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/jose/jwk.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {

// Three base64url parts: looks like a JWS in compact form.
bool LooksLikeJws(absl::string_view text);

// JSON {kind, signature, header, claims}; text: what it says, in words. `keys` null: the signature is not verified, and
// said not to be. JWS_MALFORMED.
absl::StatusOr<Shown> InspectJws(absl::string_view jws, const jose::JwkSet* keys);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_INSPECT_JWS_H_
