#include "common/policy_signature/policy_signature.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/jose/jws.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 128;
constexpr absl::Duration kMaxSkew = absl::Minutes(5);
constexpr std::int64_t kLastSecond = 253402300799;  // year 9999

absl::Status Malformed(absl::string_view detail) {
  return Deny(v1::DENY_REASON_POLICY_MALFORMED, absl::StrCat("signed policy: ", detail));
}

absl::StatusOr<std::string> Text(const json& payload, const char* name, std::size_t max_size) {
  const auto found = payload.find(name);
  if (found == payload.end() || !found->is_string()) return Malformed(absl::StrCat(name, " is missing or no string"));
  const std::string& text = found->get_ref<const std::string&>();
  if (text.empty() || text.size() > max_size)
    return Malformed(absl::StrCat(name, " has ", text.size(), " bytes, 1..", max_size, " are allowed"));
  return text;
}

absl::StatusOr<std::uint64_t> Whole(const json& payload, const char* name, std::uint64_t max) {
  const auto found = payload.find(name);
  if (found == payload.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
      found->get<std::uint64_t>() > max) {
    return Malformed(absl::StrCat(name, " is missing or no whole number in range"));
  }
  return found->get<std::uint64_t>();
}

absl::StatusOr<SignedPolicy> ReadPayload(const json& payload) {
  static const std::set<std::string> kMembers = {"document", "sha256", "name", "version", "owner", "iat"};
  for (const auto& [name, value] : payload.items()) {
    if (kMembers.count(name) == 0) return Malformed(absl::StrCat("unknown member ", name));
  }
  SignedPolicy policy;
  TWI_ASSIGN_OR_RETURN(policy.document, Text(payload, "document", kMaxPolicyDocument));
  TWI_ASSIGN_OR_RETURN(const std::string digest, Text(payload, "sha256", 64));
  policy.sha256 = crypto::Sha256(policy.document);
  if (digest != ToHex(policy.sha256)) return Malformed("sha256 is not the document's");
  TWI_ASSIGN_OR_RETURN(policy.name, Text(payload, "name", kMaxName));
  TWI_ASSIGN_OR_RETURN(policy.version, Whole(payload, "version", INT64_MAX));
  TWI_ASSIGN_OR_RETURN(policy.owner, Text(payload, "owner", kMaxSpiffeId));
  TWI_ASSIGN_OR_RETURN(const std::uint64_t iat, Whole(payload, "iat", kLastSecond));
  policy.signed_at = absl::FromUnixSeconds(static_cast<std::int64_t>(iat));
  return policy;
}

// Which owner the token says signed it: only to look that owner's key up, as a kid is.
absl::StatusOr<std::string> UnverifiedOwner(absl::string_view jws) {
  const absl::StatusOr<jose::VerifiedJws> decoded = jose::InsecureDecodeJws(jws, kMaxSignedPolicy);
  if (!decoded.ok()) return Malformed(decoded.status().message());
  return Text(decoded->payload, "owner", kMaxSpiffeId);
}

}  // namespace

absl::StatusOr<std::string> SignPolicy(const SignedPolicy& policy, const crypto::PrivateKey& key) {
  if (key.type() != crypto::KeyType::kP256) return Malformed("the owner's key must be P-256 (ES256)");
  const json payload = {
      {"document", policy.document}, {"sha256", ToHex(crypto::Sha256(policy.document))},
      {"name", policy.name},         {"version", policy.version},
      {"owner", policy.owner},       {"iat", static_cast<std::uint64_t>(absl::ToUnixSeconds(policy.signed_at))}};
  TWI_RETURN_IF_ERROR(ReadPayload(payload).status());
  const std::string text = payload.dump(-1, ' ', false, json::error_handler_t::replace);
  // Bytes that are no UTF-8 would have been replaced, and the digest be another's.
  TWI_ASSIGN_OR_RETURN(const json again, jose::ParseJson(text, kMaxSignedPolicy));
  if (again != payload) return Malformed("the document is not UTF-8");
  return jose::SignJws(key, jose::Thumbprint(key.public_key()), kPolicyTyp, text);
}

absl::StatusOr<SignedPolicy> VerifyPolicySignature(absl::string_view jws, const OwnerKey& owner_key, absl::Time now) {
  TWI_ASSIGN_OR_RETURN(const std::string owner, UnverifiedOwner(jws));
  const std::optional<crypto::PublicKey> key = owner_key(owner);
  if (!key.has_value())
    return Deny(v1::DENY_REASON_POLICY_OWNER_UNKNOWN, absl::StrCat("no owner ", owner, " is configured"));
  jose::JwkSet keys;
  keys.keys.push_back({jose::Thumbprint(*key), "ES256", "sig", *key});
  jose::JwsExpectation form;
  form.typ = kPolicyTyp;
  form.max_size = kMaxSignedPolicy;
  const absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(jws, keys, form);
  if (!verified.ok()) {
    const v1::DenyReason reason = DenyReasonOf(verified.status());
    if (reason == v1::DENY_REASON_SIGNATURE_INVALID || reason == v1::DENY_REASON_JWS_KEY_UNKNOWN) {
      return Deny(v1::DENY_REASON_POLICY_SIGNATURE_INVALID,
                  absl::StrCat("not signed by the key of ", owner, ": ", verified.status().message()));
    }
    return Malformed(verified.status().message());
  }
  TWI_ASSIGN_OR_RETURN(SignedPolicy policy, ReadPayload(verified->payload));
  if (policy.signed_at > now + kMaxSkew) return Malformed("iat is in the future");
  return policy;
}

}  // namespace twi
