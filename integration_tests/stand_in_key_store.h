// A Key Store whose keys the test holds: it listens where the real one would, with the real one's certificate, and
// gives out the Credential Key that the test gave it, sealed to whoever asks as the real one seals. What the real Key
// Store never signs can be brought before the real agent this way.
#ifndef TWI_INTEGRATION_TESTS_STAND_IN_KEY_STORE_H_
#define TWI_INTEGRATION_TESTS_STAND_IN_KEY_STORE_H_

#include <memory>

#include "common/crypto/keys.h"
#include "integration_tests/deployment.h"

namespace twi::integration {

class StandInKeyStore {
 public:
  // Who signs the sealed bundle. The key set that is published is the same for all.
  enum class Signer {
    kPublished,      // the key that is published: the control
    kUnpublished,    // another key, under its own kid
    kForged,         // another key, under the kid of the published one
    kAnotherIssuer,  // the published key, in another Key Store's name
  };

  // Serves GetKeyStoreKeys and ReleaseKey, nothing else, from here on. The real one must not run. `credential_key` must
  // outlive it.
  StandInKeyStore(const Deployment& deployment, const crypto::PrivateKey& credential_key);
  ~StandInKeyStore();

  void SignBy(Signer signer);  // of the bundles from here on; kPublished before
  int released() const;        // how many bundles it gave out

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_STAND_IN_KEY_STORE_H_
