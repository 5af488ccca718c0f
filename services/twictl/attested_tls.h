// twictl attested-tls connect|serve: like openssl s_client and s_server, for attested TLS.
#ifndef TWI_SERVICES_TWICTL_ATTESTED_TLS_H_
#define TWI_SERVICES_TWICTL_ATTESTED_TLS_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

int RunAttestedTls(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_ATTESTED_TLS_H_
