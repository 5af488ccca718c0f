// What a Workload Credential of this deployment must be, read by code that had no part in making it: X509-SVID,
// WIT-SVID, and the issuance record that says why it exists.
#ifndef TWI_INTEGRATION_TESTS_EXPECT_CREDENTIAL_H_
#define TWI_INTEGRATION_TESTS_EXPECT_CREDENTIAL_H_

#include <string>

#include "common/crypto/keys.h"
#include "integration_tests/caller.h"
#include "integration_tests/deployment.h"
#include "proto/twi/v1/credential_authority.pb.h"
#include "proto/twi/v1/workload_credential.pb.h"

namespace twi::integration {

// Checks with EXPECT, against the trust bundle that the Credential Authority serves: the chain; exactly one URI SAN
// (the identifier), the DNS SAN that the policy grants, nothing else; the key; key usage; the claims in their
// extension; a life of at most the policy's hour. The WIT: signature under the bundle's JWKS, sub, cnf = the key, the
// same claims and times. `software_version`: what the policy's computed claim must say ("1.2.0"); empty:
// there is no such claim, and the policy is the one for mechanism D.
void ExpectGoodCredential(Caller& caller, const v1::WorkloadCredential& credential, const crypto::PublicKey& key,
                          const std::string& software_version);

// What the agent left in out/NAME, as a credential; `key` gets the Credential Key's public half.
v1::WorkloadCredential ReadInstalled(const Deployment& deployment, const std::string& name, std::string* key_spki);

// The issuance record of `serial`, asked by the Workload Owner: mechanism, identifier, target, key and policy are the
// ones of this deployment.
v1::GetIssuanceResponse ExpectIssuance(const Deployment& deployment, const std::string& serial,
                                       const std::string& mechanism, const crypto::PublicKey& key);

// The serial of a certificate in hex, as GetIssuance wants it.
std::string SerialOf(const v1::WorkloadCredential& credential);

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_EXPECT_CREDENTIAL_H_
