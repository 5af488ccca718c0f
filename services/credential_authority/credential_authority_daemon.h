// Puts the Credential Authority together from its config: stores, keys, clients, server.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_AUTHORITY_DAEMON_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_AUTHORITY_DAEMON_H_

#include "common/server/daemon.h"

namespace twi::credential_authority {

server::DaemonSpec CredentialAuthoritySpec();

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_AUTHORITY_DAEMON_H_
