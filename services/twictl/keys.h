// `twictl keys list`: the Workload Owner's keys in the Key Store (mechanism D).
#ifndef TWI_SERVICES_TWICTL_KEYS_H_
#define TWI_SERVICES_TWICTL_KEYS_H_

#include "proto/twi/v1/key_store.pb.h"
#include "services/twictl/commands.h"
#include "services/twictl/run_command.h"

namespace twi::twictl {

int RunKeys(const Args& args);

// What is shown of all keys of an owner: none of it is secret.
Shown ShowKeys(const v1::ListKeysResponse& keys);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_KEYS_H_
