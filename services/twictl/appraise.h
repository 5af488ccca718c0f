// `twictl appraise`: is this Evidence genuine, and would a policy accept it. Offline, with the code of the Verifier.
#ifndef TWI_SERVICES_TWICTL_APPRAISE_H_
#define TWI_SERVICES_TWICTL_APPRAISE_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// Exit code: kExitDone accepted; kExitRefused `deny-policy` or `reject`; kExitUsage.
int RunAppraise(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_APPRAISE_H_
