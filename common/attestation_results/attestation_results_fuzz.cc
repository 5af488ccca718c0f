// The claims of Attestation Results behind a good signature: the input is the payload, signed here with a fixed key, so
// that the fuzzer reaches the claims.
#include <cstdint>

#include "common/attestation_results/attestation_results.h"
#include "common/crypto/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const twi::crypto::PrivateKey* key =
      new twi::crypto::PrivateKey(*twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256));
  static const twi::jose::JwkSet* keys =
      new twi::jose::JwkSet{{twi::jose::Jwk{"k", "ES256", "sig", key->public_key()}}};
  const absl::string_view payload(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::string> jws = twi::jose::SignJws(*key, "k", twi::kEarTyp, payload);
  if (!jws.ok()) return 0;
  twi::ResultsExpectation expectation;
  expectation.audience = "https://ca.example";
  expectation.issuer = "spiffe://example.org/twi/verifier";
  expectation.now = absl::FromUnixSeconds(1'800'000'010);
  const absl::StatusOr<twi::AttestationResults> results = twi::ValidateResults(*jws, *keys, expectation);
  if (results.ok()) (void)twi::ResultsForPolicy(*results);
  (void)twi::ValidateResults(payload, *keys, expectation);
  return 0;
}
