// Three doors: the bytes as a sealed key (the form); as the claims of one that the Key Store's key really signed; and
// as what HPKE opens (first the encapsulated key, then the ciphertext) in one whose other claims are right.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/sealed_key/sealed_key.h"
#include "common/status/deny.h"

namespace {

constexpr char kIssuer[] = "spiffe://example.org/twi/key-store";
constexpr std::size_t kEncapsulated = 32;  // X25519

const twi::SealedKeyContext& Context() {
  static const twi::SealedKeyContext context{"https://ks.example.org", "https://db.example.org", "nonce", "key-1",
                                             std::string(32, 'r')};
  return context;
}

const twi::crypto::PrivateKey& KeyStoreKey() {
  static const twi::crypto::PrivateKey key = *twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256);
  return key;
}

// Nobody sealed a key for us: whatever this is, it does not open, for one of two reasons.
void ExpectRefused(absl::string_view jws) {
  static const twi::jose::JwkSet keys = {{{"k", "ES256", "sig", KeyStoreKey().public_key()}}};
  static const twi::crypto::HpkePrivateKey recipient = *twi::crypto::HpkePrivateKey::Generate();
  const auto opened = twi::OpenSealedKey(jws, keys, kIssuer, Context(), recipient);
  if (opened.ok()) std::abort();
  const twi::DenyReason reason = twi::DenyReasonOf(opened.status());
  if (reason != twi::v1::DENY_REASON_SEALED_KEY_INVALID && reason != twi::v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER)
    std::abort();
}

void ExpectSignedRefused(absl::string_view claims) {
  const auto jws = twi::jose::SignJws(KeyStoreKey(), "k", twi::kSealedKeyTyp, claims);
  if (jws.ok()) ExpectRefused(*jws);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  ExpectRefused(bytes);
  ExpectSignedRefused(bytes);
  const twi::SealedKeyContext& context = Context();
  const std::size_t cut = std::min(size, kEncapsulated);
  ExpectSignedRefused(absl::StrCat(
      R"({"iss":")", kIssuer, R"(","iat":1800000000,"jti":"j","rp_id":")", context.rp_id, R"(","target":")",
      context.target, R"(","nonce":")", twi::ToBase64Url(context.nonce), R"(","key_id":")", context.key_id,
      R"(","ar_sha256":")", twi::ToBase64Url(context.results_sha256), R"(","enc":")",
      twi::ToBase64Url(bytes.substr(0, cut)), R"(","ciphertext":")", twi::ToBase64Url(bytes.substr(cut)), R"("})"));
  return 0;
}
