// The Verifier's HPKE key, to which agents encrypt Evidence in mechanism C. Generated at first start, sealed at rest.
#ifndef TWI_SERVICES_VERIFIER_ENCRYPTION_KEY_H_
#define TWI_SERVICES_VERIFIER_ENCRYPTION_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/hpke.h"
#include "common/crypto/random.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::verifier {

// SQL of the table; part of the Verifier's migrations.
extern const char kEncryptionKeySchema[];

constexpr char kEvidenceHpkeInfo[] = "twi/v1/encrypted-evidence";

class EncryptionKey {
 public:
  static absl::StatusOr<EncryptionKey> Load(storage::Database& database, const storage::Sealer& sealer,
                                            crypto::Random& random);
  const std::string& kid() const { return kid_; }  // hex of the first 16 bytes of SHA-256 over the SPKI
  const std::string& spki() const { return key_.spki(); }

  // The serialized Evidence, bound to `binding` by the AAD (BindingValue64). EVIDENCE_DECRYPTION_FAILED.
  absl::StatusOr<SecretBytes> Open(const v1::EncryptedEvidence& encrypted, const v1::Binding& binding) const;

 private:
  explicit EncryptionKey(crypto::HpkePrivateKey key);
  crypto::HpkePrivateKey key_;
  std::string kid_;
};

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_ENCRYPTION_KEY_H_
