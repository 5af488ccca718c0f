// The keys that issue: an X.509 authority (key and certificate), generated at first start or supplied, and the WIT
// keys, rotated with overlap. Sealed at rest.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUER_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUER_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/random.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "proto/twi/config/v1/credential_authority.pb.h"
#include "services/credential_authority/x509_authority.h"

namespace twi::credential_authority {

// SQL of the table; part of the migrations.
extern const char kAuthoritySchema[];

// Whether the supplied key and certificates (if any) can be loaded. CONFIG_INVALID at the place of the key's field.
absl::Status CheckSupplied(const config::v1::Issuing& issuing, absl::Time now);

// Supplied (issuing.supplied_key_file) or from the store, or made: a self-signed P-256 certificate with URI SAN
// spiffe://<trust_domain> (SPIFFE X509-SVID section 4: no path). Checks: P-256; key and certificate match; CA with
// keyCertSign; valid at `now`; chain links; a stored one is of this trust domain. CONFIG_INVALID names the file.
absl::StatusOr<X509Authority> LoadX509Authority(const config::v1::CredentialAuthorityConfig& config,
                                                storage::Database& database, const storage::Sealer& sealer,
                                                crypto::Random& random, absl::Time now);

// For health probes: KEY_UNKNOWN when the authority is neither supplied nor the one in the store any more;
// CREDENTIAL_INVALID when a certificate of its chain is not valid at `now`; STORAGE_FAILED.
absl::Status AuthorityUsable(const X509Authority& authority, bool supplied, storage::Database& database,
                             absl::Time now);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUER_H_
