// What twictl shows of files that others wrote: nothing that drives a terminal, and no signature that was not verified.
// The first byte: C claims of a certificate (DER), else a JWS.
#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/crypto/keys.h"
#include "common/jose/jwk.h"
#include "services/twictl/inspect_claims.h"
#include "services/twictl/inspect_jws.h"
#include "services/twictl/printable.h"

using namespace twi::twictl;

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// Written in DER again, it is the same bytes.
void CheckClaims(absl::string_view der) {
  const auto text = Utf8StringIn(der);
  if (!text.has_value()) return;
  const std::size_t n = text->size();
  const std::string low(1, static_cast<char>(n & 0xff)), high(1, static_cast<char>(n >> 8));
  const std::string length = n < 0x80 ? low : n < 0x100 ? absl::StrCat("\x81", low) : absl::StrCat("\x82", high, low);
  Require(der == absl::StrCat("\x0c", length, *text));
}

void CheckJws(absl::string_view jws) {
  // A key that has signed nothing.
  static const auto* const keys = new twi::jose::JwkSet{
      {{"k1", "", "", twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256)->public_key()}}};
  for (const twi::jose::JwkSet* set : {static_cast<const twi::jose::JwkSet*>(nullptr), keys}) {
    const auto shown = InspectJws(jws, set);
    if (!shown.ok()) continue;
    Require(LooksLikeJws(jws));
    Require(PrintableLines(shown->text) == shown->text && shown->text.back() == '\n');
    Require(shown->json.at("signature_verified") == false);
    Require(shown->exit_code == (set == nullptr ? kExitDone : kExitRefused));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size > 0 && bytes[0] == 'C') {
    CheckClaims(bytes.substr(1));
  } else {
    CheckJws(bytes);
  }
  return 0;
}
