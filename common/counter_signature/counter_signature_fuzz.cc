// Two doors: the bytes as a counter-signature (the form), and the bytes as claims that the Key Store's key really
// signed.
#include <cstdint>
#include <cstdlib>

#include "common/counter_signature/counter_signature.h"
#include "common/crypto/hash.h"
#include "common/jose/jws.h"
#include "common/status/deny.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const twi::crypto::PrivateKey key = *twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256);
  static const twi::jose::JwkSet keys = {{{"k", "ES256", "sig", key.public_key()}}};
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  twi::CounterSignatureExpectation expected;
  expected.issuer = "spiffe://example.org/twi/key-store";
  expected.owner = "spiffe://example.org/owner/payroll";
  expected.csr_der = "csr";
  expected.now = absl::FromUnixSeconds(1800000030);
  if (twi::ValidateCounterSignature(text, keys, expected).ok()) std::abort();  // nobody signed these bytes
  const auto jws = twi::jose::SignJws(key, "k", twi::kCounterSignatureTyp, text);
  if (!jws.ok()) return 0;
  const auto read = twi::ValidateCounterSignature(*jws, keys, expected);
  if (read.ok() &&
      (read->owner != expected.owner || read->csr_sha256 != twi::crypto::Sha256("csr") || read->key_id.empty()))
    std::abort();
  if (!read.ok() && twi::DenyReasonOf(read.status()) != twi::v1::DENY_REASON_COUNTER_SIGNATURE_INVALID) std::abort();
  return 0;
}
