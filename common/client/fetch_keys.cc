#include "common/client/fetch_keys.h"

#include "common/jose/jwk.h"
#include "common/status/status_macros.h"

namespace twi::client {

KeySource::Fetch VerifierKeysOf(VerifierClient& verifier) {
  return [&verifier](absl::Time deadline) -> absl::StatusOr<jose::JwkSet> {
    TWI_ASSIGN_OR_RETURN(const v1::GetVerifierKeysResponse keys, verifier.GetVerifierKeys(deadline));
    return jose::JwkSetFromText(keys.jwks());
  };
}

KeySource::Fetch KeyStoreKeysOf(KeyStoreClient& key_store) {
  return [&key_store](absl::Time deadline) -> absl::StatusOr<jose::JwkSet> {
    TWI_ASSIGN_OR_RETURN(const v1::GetKeyStoreKeysResponse keys, key_store.GetKeyStoreKeys(deadline));
    return jose::JwkSetFromText(keys.jwks());
  };
}

}  // namespace twi::client
