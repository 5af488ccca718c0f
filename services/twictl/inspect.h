// `twictl inspect`: what is in a file, in words. It decides nothing.
#ifndef TWI_SERVICES_TWICTL_INSPECT_H_
#define TWI_SERVICES_TWICTL_INSPECT_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// inspect [--jwks FILE] FILE...   Attestation Results, grants, WITs, signed policies, counter-signatures, sealed keys
// (JWS); certificates (PEM, DER); Evidence in the formats of `twictl appraise`. Says of each whether its signature was
// verified: it never is, unless it is a JWS and --jwks is given. Private keys are recognised, and not shown. Exit code
// kExitRefused when a signature is not valid under --jwks, or a file is nothing of the above.
int RunInspect(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_INSPECT_H_
