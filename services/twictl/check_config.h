// `twictl check-config`: reads and checks a config of twictl, and connects to nobody.
#ifndef TWI_SERVICES_TWICTL_CHECK_CONFIG_H_
#define TWI_SERVICES_TWICTL_CHECK_CONFIG_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

int RunCheckConfig(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_CHECK_CONFIG_H_
