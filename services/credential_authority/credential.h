// What a credential says, before it is signed: one set of facts for both forms.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "nlohmann/json.hpp"

namespace twi::credential_authority {

struct CredentialFacts {
  std::string serial;  // 16 octets: 48 bits of Unix milliseconds, then 80 random bits; hex form is the WIT's jti
  std::string workload_identifier;  // SPIFFE ID
  crypto::PublicKey public_key;     // the Credential Key's public half
  std::vector<std::string> dns_names;
  nlohmann::json claims;  // an object
  absl::Time not_before;  // whole seconds
  absl::Time not_after;   // whole seconds
};

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_CREDENTIAL_H_
