// Two doors: the bytes as a grant (the form), and the bytes as the claims of a grant that the mapper's key really
// signed.
#include <cstdint>
#include <cstdlib>

#include "common/grant/grant.h"
#include "common/status/deny.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const twi::crypto::PrivateKey key = *twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256);
  static const twi::jose::JwkSet keys = {{{"k", "ES256", "sig", key.public_key()}}};
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  twi::GrantExpectation expected;
  expected.audience = "https://ca.example.org";
  expected.issuer = "spiffe://example.org/twi/claims-mapper";
  expected.now = absl::FromUnixSeconds(1800000030);
  expected.owner = "spiffe://example.org/owner/payroll";
  if (twi::ValidateGrant(text, keys, expected).ok()) std::abort();  // nobody signed these bytes
  const auto jws = twi::jose::SignJws(key, "k", twi::kGrantTyp, text);
  if (!jws.ok()) return 0;
  const auto grant = twi::ValidateGrant(*jws, keys, expected);
  if (grant.ok() && (grant->owner != expected.owner || !grant->key_sha256.empty() || grant->policy_version == 0 ||
                     grant->release_policy_sha256.size() != 32)) {
    std::abort();
  }
  if (!grant.ok() && twi::DenyReasonOf(grant.status()) == twi::v1::DENY_REASON_INTERNAL) std::abort();
  return 0;
}
