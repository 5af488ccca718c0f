// `twictl dev-deployment`: a development PKI, and out of it one folder per service with what that service alone may
// see. For containers, where each folder is a volume of its own and no shell is there to copy files. Not for
// production: one process has held every key.
#ifndef TWI_SERVICES_TWICTL_DEV_DEPLOYMENT_H_
#define TWI_SERVICES_TWICTL_DEV_DEPLOYMENT_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// dev-deployment --out DIR [--user UID] [--policy FILE]... [--empty NAME]... [--empty-file NAME/FILE]...
// Under DIR (folders that exist, such as mounted volumes, are taken when they are empty):
//   pki/made/                  what dev-pki makes, the root's private key among it; owners payroll and ledger
//   SERVICE/                   verifier, claims-mapper, credential-authority, key-store: tls.pem, tls.key.pem, ca.pem,
//                              storage.root; the verifier's has dev-snp-ark.pem, the claims-mapper's the owners' public
//                              keys and each --policy, signed by its owner, as NAME.jws
//   relying-party-payroll/, relying-party-ledger/   tls.pem, tls.key.pem, ca.pem: of attested TLS
//   agent/                     ca.pem, and dev-snp/ with the development chain
//   owner/                     payroll.pem, payroll.key.pem, ca.pem
//   NAME/, NAME/FILE           empty, mode 0700 and 0644
//   pki/complete               the last file: all of the above is there
// All but pki/ belongs to UID afterwards. Where pki/complete exists nothing is done: a second run keeps what the first
// made. CONFIG_INVALID where pki/made exists without it: a run that failed has left half a deployment.
int RunDevDeployment(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_DEV_DEPLOYMENT_H_
