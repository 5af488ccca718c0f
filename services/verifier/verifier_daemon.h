// Puts the Verifier together from its config: stores, keys, rules, clients, server. main.cc and the benchmark start it.
#ifndef TWI_SERVICES_VERIFIER_VERIFIER_DAEMON_H_
#define TWI_SERVICES_VERIFIER_VERIFIER_DAEMON_H_

#include "common/server/daemon.h"

namespace twi::verifier {

server::DaemonSpec VerifierSpec();

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_VERIFIER_DAEMON_H_
