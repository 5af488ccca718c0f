// Two doors: the bytes as a token (the form), and the bytes as the payload of a token that the owner really signed (the
// members).
#include <cstdint>
#include <cstdlib>

#include "common/jose/jws.h"
#include "common/policy_signature/policy_signature.h"
#include "common/status/deny.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const twi::crypto::PrivateKey key = *twi::crypto::PrivateKey::Generate(twi::crypto::KeyType::kP256);
  static const std::string kid = twi::jose::Thumbprint(key.public_key());
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto owner_key = [](absl::string_view) { return std::optional<twi::crypto::PublicKey>(key.public_key()); };
  const absl::Time now = absl::FromUnixSeconds(1800000000);
  if (twi::VerifyPolicySignature(text, owner_key, now).ok()) std::abort();  // nobody signed these bytes
  const auto jws = twi::jose::SignJws(key, kid, twi::kPolicyTyp, text);
  if (!jws.ok()) return 0;
  const auto policy = twi::VerifyPolicySignature(*jws, owner_key, now);
  if (policy.ok() && (policy->version == 0 || policy->name.empty() || policy->sha256.size() != 32)) std::abort();
  if (!policy.ok() && twi::DenyReasonOf(policy.status()) == twi::v1::DENY_REASON_INTERNAL) std::abort();
  return 0;
}
