// What the Key Store's flows need beside the request.
#ifndef TWI_SERVICES_KEY_STORE_KEY_STORE_DEPS_H_
#define TWI_SERVICES_KEY_STORE_KEY_STORE_DEPS_H_

#include <set>
#include <string>

#include "absl/time/time.h"
#include "common/client/key_source.h"
#include "common/crypto/random.h"
#include "common/storage/signing_keys.h"
#include "common/time/clock.h"
#include "services/key_store/release_policy.h"
#include "services/key_store/release_records.h"
#include "services/key_store/sealed_store.h"

namespace twi::key_store {

struct KeyStoreDeps {
  const Clock& clock;
  crypto::Random& random;
  SealedStore& keys;
  ReleaseRecords& records;
  ReleasePolicyCache& policies;
  storage::SigningKeys& signing_keys;  // counter-signatures and sealed keys
  client::KeySource& verifier_keys;
  std::string rp_id;            // ours: from config, never from a request
  std::string issuer;           // our SPIFFE ID
  std::string verifier_issuer;  // the Verifier whose results count
  absl::Duration max_results_age;
  std::set<std::string> owners;  // SPIFFE IDs that may provision
};

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_KEY_STORE_DEPS_H_
