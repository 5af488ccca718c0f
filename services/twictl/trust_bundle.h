// `twictl trust-bundle`: fetches the Credential Authority's trust bundle over mTLS, for agents'
// credential_trust_bundle_file and for relying parties.
#ifndef TWI_SERVICES_TWICTL_TRUST_BUNDLE_H_
#define TWI_SERVICES_TWICTL_TRUST_BUNDLE_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// trust-bundle --config FILE --out FILE.pem [--jwks FILE.json]
int RunTrustBundle(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_TRUST_BUNDLE_H_
