// `twictl policy`: a Workload Owner checks, signs, loads and lists Claims Mapper Policies.
#ifndef TWI_SERVICES_TWICTL_POLICY_H_
#define TWI_SERVICES_TWICTL_POLICY_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// policy check --policy FILE                       every problem with file:line:column; sends nothing
// policy sign  --policy FILE --key KEY.pem --out FILE.jws   checks first: what the Claims Mapper would refuse as
// malformed is not signed policy put   --config FILE --signed FILE.jws     loads it; the caller's certificate must be
// the owner's policy list  --config FILE
int RunPolicy(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_POLICY_H_
