// What a KeySource (key_source.h) fetches, by the client of the service whose keys they are.
#ifndef TWI_COMMON_CLIENT_FETCH_KEYS_H_
#define TWI_COMMON_CLIENT_FETCH_KEYS_H_

#include "common/client/key_source.h"
#include "common/client/key_store_client.h"
#include "common/client/verifier_client.h"

namespace twi::client {

// The keys that sign Attestation Results. `verifier` must outlive the result. Errors: those of the call, and of
// jose::JwkSetFromText.
KeySource::Fetch VerifierKeysOf(VerifierClient& verifier);

// The keys that sign what the Key Store says. `key_store` must outlive the result. Errors as above.
KeySource::Fetch KeyStoreKeysOf(KeyStoreClient& key_store);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_FETCH_KEYS_H_
