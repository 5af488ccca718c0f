// Mechanism D, provisioning: a Credential Key is made here, under a release policy that stays with it, and leaves only
// sealed.
//   P1  the Claims Mapper plans: identifier, claims, grant for this owner    claims_mapper/map_claims.cc, asked by
//   twictl/provision.cc P2  release policy made from the anticipated AR, and linted              twictl/provision.cc P3
//   the Key Store generates the key with that policy                     here P4  returns public key and key id here P5
//   builds and signs the CSR, and counter-signs it                       here P6  the owner sends CSR + grant to the
//   Credential Authority              twictl/provision.cc P7  which signs credential_authority/issue_for_owner.cc P8
//   the owner puts the credential where the workload reads it            twictl/provision.cc
#ifndef TWI_SERVICES_KEY_STORE_PROVISION_KEY_H_
#define TWI_SERVICES_KEY_STORE_PROVISION_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/key_store.pb.h"
#include "services/key_store/key_store_deps.h"

namespace twi::key_store {

// `owner` is who the channel says calls. Checks: a configured owner (PEER_NOT_ALLOWED); no key_id
// (RELEASE_POLICY_IMMUTABLE for one of the owner's own keys, KEY_UNKNOWN otherwise); key type and target
// (REQUEST_MALFORMED, REQUEST_TOO_LARGE); the policy compiles (RELEASE_POLICY_INVALID). The key is durable when this
// returns. Takes about a second for RSA-3072.
absl::StatusOr<v1::ProvisionKeyResponse> ProvisionKey(const KeyStoreDeps& deps, const v1::ProvisionKeyRequest& request,
                                                      const std::string& owner);

// A page of the owner's keys, without anything secret.
absl::StatusOr<v1::ListKeysResponse> ListKeys(const KeyStoreDeps& deps, const v1::ListKeysRequest& request,
                                              const std::string& owner);

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_PROVISION_KEY_H_
