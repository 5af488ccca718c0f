// Puts the Key Store together from its config: stores, keys, the Verifier's keys, server. main.cc and the benchmark
// start it.
#ifndef TWI_SERVICES_KEY_STORE_KEY_STORE_DAEMON_H_
#define TWI_SERVICES_KEY_STORE_KEY_STORE_DAEMON_H_

#include "common/server/daemon.h"

namespace twi::key_store {

server::DaemonSpec KeyStoreSpec();

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_KEY_STORE_DAEMON_H_
