#include "services/verifier/encryption_key.h"

#include "absl/strings/str_cat.h"
#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/session.h"

namespace twi::verifier {
namespace {

constexpr char kSealContext[] = "verifier/encryption-key";

}  // namespace

const char kEncryptionKeySchema[] =
    "CREATE TABLE encryption_key (id INTEGER PRIMARY KEY CHECK (id = 1), sealed_hex TEXT NOT NULL)";

EncryptionKey::EncryptionKey(crypto::HpkePrivateKey key)
    : key_(std::move(key)), kid_(ToHex(crypto::Sha256(key_.spki()).substr(0, 16))) {}

absl::StatusOr<EncryptionKey> EncryptionKey::Load(storage::Database& database, const storage::Sealer& sealer,
                                                  crypto::Random& random) {
  std::string sealed_hex;
  TWI_RETURN_IF_ERROR(database.Read([&](storage::Session& session) {
    session.Row("SELECT sealed_hex FROM encryption_key WHERE id = 1", soci::into(sealed_hex));
    return absl::OkStatus();
  }));
  if (!sealed_hex.empty()) {
    TWI_ASSIGN_OR_RETURN(const std::string sealed, FromHex(sealed_hex));
    TWI_ASSIGN_OR_RETURN(const SecretBytes raw, sealer.Open(kSealContext, sealed));
    TWI_ASSIGN_OR_RETURN(crypto::HpkePrivateKey key, crypto::HpkePrivateKey::FromRaw(raw));
    return EncryptionKey(std::move(key));
  }
  TWI_ASSIGN_OR_RETURN(crypto::HpkePrivateKey key, crypto::HpkePrivateKey::Generate());
  TWI_ASSIGN_OR_RETURN(const std::string sealed, sealer.Seal(kSealContext, key.raw(), random));
  sealed_hex = ToHex(sealed);
  TWI_RETURN_IF_ERROR(database.Write([&](storage::Session& session) {
    session.Change("INSERT INTO encryption_key (id, sealed_hex) VALUES (1, ?)", soci::use(sealed_hex));
    return absl::OkStatus();
  }));
  return EncryptionKey(std::move(key));
}

absl::StatusOr<SecretBytes> EncryptionKey::Open(const v1::EncryptedEvidence& encrypted,
                                                const v1::Binding& binding) const {
  constexpr std::size_t kMaxCiphertext = 260 * 1024;
  if (encrypted.kid() != kid_)
    return Deny(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED,
                absl::StrCat("encrypted to key ", encrypted.kid().substr(0, 64), ", ours is ", kid_));
  if (encrypted.enc().size() != 32) return Deny(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED, "enc is not 32 bytes");
  if (encrypted.ciphertext().size() > kMaxCiphertext)
    return Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, "ciphertext is over 260 KiB");
  absl::StatusOr<SecretBytes> opened =
      key_.Open({encrypted.enc(), encrypted.ciphertext()}, kEvidenceHpkeInfo, BindingValue64(binding));
  if (!opened.ok()) return Deny(v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED, opened.status().message());
  return opened;
}

}  // namespace twi::verifier
