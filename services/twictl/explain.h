// `twictl explain`: what a refusal means and where to look.
#ifndef TWI_SERVICES_TWICTL_EXPLAIN_H_
#define TWI_SERVICES_TWICTL_EXPLAIN_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// explain [REASON]...   without one: the closed list. A name that is not on it: kExitUsage.
int RunExplain(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_EXPLAIN_H_
