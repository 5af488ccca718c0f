// SubjectPublicKeyInfo, PKCS#8 and PEM private keys: what parses is canonical, and a private key that parses signs for
// its public half.
#include <cstdint>
#include <cstdlib>

#include "common/crypto/hpke.h"
#include "common/crypto/keys.h"

using namespace twi::crypto;

namespace {

void CheckPublic(const PublicKey& key, absl::string_view spki) {
  if (key.spki() != spki) std::abort();
  for (int a = 0; a <= static_cast<int>(SignatureAlgorithm::kRsaPssSha384); ++a) {
    if (key.Verify(static_cast<SignatureAlgorithm>(a), "message", std::string(64, '\1')).ok()) std::abort();
  }
}

void CheckPrivate(const absl::StatusOr<PrivateKey>& key) {
  if (!key.ok()) return;
  const auto signature = key->Sign(key->default_algorithm(), "message");
  if (!signature.ok() || !key->public_key().Verify(key->default_algorithm(), "message", *signature).ok()) std::abort();
  const auto again = PrivateKey::FromPem(key->ToPem());
  if (!again.ok() || again->public_key() != key->public_key()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto key = PublicKey::FromSpki(bytes); key.ok()) CheckPublic(*key, bytes);
  (void)CheckHpkePublicKey(bytes);
  CheckPrivate(PrivateKey::FromPkcs8(twi::SecretBytes::CopyOf(bytes)));
  CheckPrivate(PrivateKey::FromPem(twi::SecretBytes::CopyOf(bytes)));
  return 0;
}
