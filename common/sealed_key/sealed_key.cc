#include "common/sealed_key/sealed_key.h"

#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace twi {
namespace {

using nlohmann::json;

constexpr char kInfo[] = "twi/v1/sealed-key";

void AppendLen32(std::string& out, absl::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((size >> shift) & 0xff));
  out.append(part.data(), part.size());
}

std::string Aad(const SealedKeyContext& c) {
  std::string aad;
  for (const std::string& part : {c.rp_id, c.target, c.nonce, c.key_id, c.results_sha256}) AppendLen32(aad, part);
  return aad;
}

json ContextClaims(const SealedKeyContext& c) {
  return {{"rp_id", c.rp_id},
          {"target", c.target},
          {"nonce", ToBase64Url(c.nonce)},
          {"key_id", c.key_id},
          {"ar_sha256", ToBase64Url(c.results_sha256)}};
}

absl::Status Invalid(absl::string_view detail) { return Deny(v1::DENY_REASON_SEALED_KEY_INVALID, detail); }

// Exactly the claims that SealKey writes, and every one of the context equal to ours.
absl::Status MatchClaims(const json& claims, absl::string_view issuer, const SealedKeyContext& context) {
  static const std::set<std::string>* names = new std::set<std::string>{
      "iss", "iat", "jti", "rp_id", "target", "nonce", "key_id", "ar_sha256", "enc", "ciphertext"};
  for (const std::string& name : *names) {
    if (!claims.contains(name)) return Invalid(absl::StrCat("claim ", name, " is missing"));
  }
  for (const auto& [name, value] : claims.items()) {
    if (names->count(name) == 0) return Invalid(absl::StrCat("claim ", name, " is not one of ours"));
    if (name != "iat" && !value.is_string()) return Invalid(absl::StrCat("claim ", name, " is not a string"));
  }
  if (claims.at("iss") != std::string(issuer))
    return Deny(v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER, "iss is not the configured Key Store");
  const json expected = ContextClaims(context);
  for (const auto& [name, value] : expected.items()) {
    if (claims.at(name) != value) return Invalid(absl::StrCat("claim ", name, " is not what was asked for"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SealKey(const SealedKeyContext& context, absl::string_view recipient_spki,
                                    const SecretBytes& pkcs8, absl::string_view issuer, absl::string_view jti,
                                    absl::Time now, const crypto::PrivateKey& signing_key, absl::string_view kid) {
  TWI_ASSIGN_OR_RETURN(const crypto::HpkeSealed sealed,
                       crypto::HpkeSeal(recipient_spki, kInfo, Aad(context), pkcs8.reveal()));
  json claims = ContextClaims(context);
  claims["iss"] = std::string(issuer);
  claims["jti"] = std::string(jti);
  claims["iat"] = absl::ToUnixSeconds(now);
  claims["enc"] = ToBase64Url(sealed.enc);
  claims["ciphertext"] = ToBase64Url(sealed.ciphertext);
  return jose::SignJws(signing_key, kid, kSealedKeyTyp, claims.dump());
}

absl::StatusOr<SecretBytes> OpenSealedKey(absl::string_view jws, const jose::JwkSet& key_store_keys,
                                          absl::string_view issuer, const SealedKeyContext& context,
                                          const crypto::HpkePrivateKey& recipient) {
  jose::JwsExpectation form;
  form.typ = kSealedKeyTyp;
  form.max_size = 32 * 1024;
  const absl::StatusOr<jose::VerifiedJws> verified = jose::VerifyJws(jws, key_store_keys, form);
  if (!verified.ok()) {
    const DenyReason reason = DenyReasonOf(verified.status());
    const bool signer = reason == v1::DENY_REASON_SIGNATURE_INVALID || reason == v1::DENY_REASON_JWS_KEY_UNKNOWN;
    return Deny(signer ? v1::DENY_REASON_SEALED_KEY_WRONG_SIGNER : v1::DENY_REASON_SEALED_KEY_INVALID,
                verified.status().message());
  }
  const json& claims = verified->payload;
  TWI_RETURN_IF_ERROR(MatchClaims(claims, issuer, context));
  const absl::StatusOr<std::string> enc = FromBase64Url(claims.at("enc").get_ref<const std::string&>());
  const absl::StatusOr<std::string> ciphertext = FromBase64Url(claims.at("ciphertext").get_ref<const std::string&>());
  if (!enc.ok() || !ciphertext.ok()) return Invalid("enc or ciphertext is not base64url");
  absl::StatusOr<SecretBytes> pkcs8 = recipient.Open({*enc, *ciphertext}, kInfo, Aad(context));
  if (!pkcs8.ok()) return Invalid(pkcs8.status().message());
  return pkcs8;
}

}  // namespace twi
