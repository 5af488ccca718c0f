// `twictl dev-pki`: everything that a development setup needs in keys and certificates. Not for production: the root's
// private key lies beside the rest.
#ifndef TWI_SERVICES_TWICTL_DEV_PKI_H_
#define TWI_SERVICES_TWICTL_DEV_PKI_H_

#include "services/twictl/commands.h"

namespace twi::twictl {

// dev-pki --out DIR [--trust-domain example.org] [--service NAME]... [--owner NAME]... [--days N]
// Makes DIR, which must not exist:
//   tls/ca.pem, tls/ca.key.pem               root of all certificates below
//   tls/SERVICE.pem, tls/SERVICE.key.pem     one URI SAN spiffe://TRUST_DOMAIN/twi/SERVICE, good as TLS client and
//   server keys/SERVICE.root                        32 random bytes: storage.root_key_file; never put a database into
//   this folder owners/NAME.pem, owners/NAME.key.pem     spiffe://TRUST_DOMAIN/owner/NAME: the owner's channel, and
//   `twictl policy sign --key` owners/NAME.pub.pem                      the same key's public half: public_key_file of
//   the Claims Mapper's config dev-snp/                                 a development SNP chain (common/dev_snp):
//   insecure_ in every config that names it
// Files with private keys and secrets are 0600, folders 0700.
int RunDevPki(const Args& args);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_DEV_PKI_H_
