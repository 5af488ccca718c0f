// Encrypted Evidence from anybody: the bytes as the whole message; as encapsulated key and ciphertext for our kid,
// which must never open; and as what an agent really encrypted, which must open to the same bytes for its binding
// alone.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "common/binding/binding.h"
#include "common/status/deny.h"
#include "common/testing/fake_random.h"
#include "common/testing/temp_dir.h"
#include "services/verifier/encryption_key.h"

namespace {

using twi::verifier::EncryptionKey;

constexpr std::size_t kEncapsulated = 32;  // X25519

const EncryptionKey& Key() {
  static const EncryptionKey* const key = [] {
    const twi::testing::TempDir dir;
    twi::testing::FakeRandom random;
    const auto sealer = *twi::storage::Sealer::FromKey(twi::SecretBytes::CopyOf(std::string(32, 'r')));
    const auto database = *twi::storage::Database::Open(dir.File("verifier.db"), {twi::verifier::kEncryptionKeySchema});
    return new EncryptionKey(*EncryptionKey::Load(*database, *sealer, random));
  }();
  return *key;
}

twi::v1::Binding Binding() {
  twi::v1::Binding binding;
  binding.set_profile(twi::v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(std::string(56, 'n'));
  binding.set_target("https://db.example.org");
  binding.set_rp_id("https://ca.example.org");
  binding.set_subject("a request");
  return binding;
}

void ExpectRefused(const twi::v1::EncryptedEvidence& encrypted, const twi::v1::Binding& binding) {
  const auto opened = Key().Open(encrypted, binding);
  if (opened.ok()) std::abort();
  const twi::DenyReason reason = twi::DenyReasonOf(opened.status());
  if (reason != twi::v1::DENY_REASON_EVIDENCE_DECRYPTION_FAILED && reason != twi::v1::DENY_REASON_REQUEST_TOO_LARGE)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  twi::v1::EncryptedEvidence message;
  if (message.ParseFromArray(data, static_cast<int>(size))) ExpectRefused(message, Binding());

  const std::size_t cut = std::min(size, kEncapsulated);
  message.Clear();
  message.set_kid(Key().kid());
  message.set_enc(std::string(bytes.substr(0, cut)));
  message.set_ciphertext(std::string(bytes.substr(cut)));
  ExpectRefused(message, Binding());

  const auto sealed =
      twi::crypto::HpkeSeal(Key().spki(), twi::verifier::kEvidenceHpkeInfo, twi::BindingValue64(Binding()), bytes);
  if (!sealed.ok() || sealed->ciphertext.size() > 256 * 1024) return 0;
  message.set_enc(sealed->enc);
  message.set_ciphertext(sealed->ciphertext);
  const auto opened = Key().Open(message, Binding());
  if (!opened.ok() || opened->reveal() != bytes) std::abort();
  twi::v1::Binding other = Binding();
  other.set_nonce(std::string(56, 'm'));
  ExpectRefused(message, other);
  return 0;
}
