#include "common/jose/jwk.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/jose/json.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::jose {
namespace {

using crypto::KeyType;
using crypto::PublicKey;
using nlohmann::json;

constexpr std::size_t kMaxKeys = 32;
constexpr std::size_t kMaxSetSize = 64 * 1024;
constexpr std::size_t kMaxName = 256;  // of kid, alg, use

absl::Status Malformed(absl::string_view detail) { return Deny(v1::DENY_REASON_JWK_MALFORMED, detail); }

// A required base64url member.
absl::StatusOr<std::string> GetBytes(const json& jwk, const char* name) {
  const auto it = jwk.find(name);
  if (it == jwk.end() || !it->is_string())
    return Malformed(absl::StrCat("member ", name, " is missing or not a string"));
  absl::StatusOr<std::string> bytes = FromBase64Url(it->get_ref<const std::string&>());
  if (!bytes.ok()) return Malformed(absl::StrCat("member ", name, " is not base64url"));
  return bytes;
}

absl::StatusOr<PublicKey> KeyFromJson(const json& jwk, absl::string_view kty, absl::string_view crv) {
  if (kty == "EC" && (crv == "P-256" || crv == "P-384")) {
    TWI_ASSIGN_OR_RETURN(const std::string x, GetBytes(jwk, "x"));
    TWI_ASSIGN_OR_RETURN(const std::string y, GetBytes(jwk, "y"));
    return PublicKey::FromEcPoint(crv == "P-256" ? KeyType::kP256 : KeyType::kP384, x, y);
  }
  if (kty == "OKP" && crv == "Ed25519") {
    TWI_ASSIGN_OR_RETURN(const std::string x, GetBytes(jwk, "x"));
    return PublicKey::FromEd25519(x);
  }
  if (kty == "RSA" && crv.empty()) {
    TWI_ASSIGN_OR_RETURN(const std::string n, GetBytes(jwk, "n"));
    TWI_ASSIGN_OR_RETURN(const std::string e, GetBytes(jwk, "e"));
    // RFC 7518 2: Base64urlUInt is the minimum number of octets.
    if (n.empty() || n[0] == '\0' || e.empty() || e[0] == '\0')
      return Malformed("n or e is empty or has a leading zero");
    return PublicKey::FromRsa(n, e);
  }
  return Malformed("kty or crv is not known");
}

bool AlgFits(absl::string_view alg, KeyType type) {
  if (alg.empty() || alg == JwsAlgFor(type)) return true;
  return alg == "PS256" && (type == KeyType::kRsa3072 || type == KeyType::kRsaOther);
}

// RFC 7517 4.3: when key_ops says what a key is for, it must say "verify".
bool MayVerify(const json& jwk) {
  const auto ops = jwk.find("key_ops");
  if (ops == jwk.end()) return true;
  if (!ops->is_array()) return false;
  for (const json& op : *ops) {
    if (op == "verify") return true;
  }
  return false;
}

// The members that make the key, in RFC 7638 terms: the required ones. nlohmann::json keeps members sorted by name.
json RequiredMembers(const PublicKey& key) {
  switch (key.type()) {
    case KeyType::kP256:
    case KeyType::kP384:
      return {{"kty", "EC"},
              {"crv", key.type() == KeyType::kP256 ? "P-256" : "P-384"},
              {"x", ToBase64Url(key.ec_x())},
              {"y", ToBase64Url(key.ec_y())}};
    case KeyType::kEd25519:
      return {{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", ToBase64Url(key.ed25519_raw())}};
    case KeyType::kRsa3072:
    case KeyType::kRsaOther:
      break;
  }
  return {{"kty", "RSA"}, {"n", ToBase64Url(key.rsa_modulus())}, {"e", ToBase64Url(key.rsa_exponent())}};
}

}  // namespace

const Jwk* JwkSet::Find(absl::string_view kid) const {
  if (kid.empty()) return nullptr;
  for (const Jwk& jwk : keys) {
    if (jwk.kid == kid) return &jwk;
  }
  return nullptr;
}

json ToJson(const Jwk& jwk) {
  json out = RequiredMembers(jwk.key);
  out["alg"] = jwk.alg.empty() ? JwsAlgFor(jwk.key.type()) : jwk.alg;
  if (!jwk.kid.empty()) out["kid"] = jwk.kid;
  if (!jwk.use.empty()) out["use"] = jwk.use;
  return out;
}

json ToJson(const JwkSet& set) {
  json keys = json::array();
  for (const Jwk& jwk : set.keys) keys.push_back(ToJson(jwk));
  return {{"keys", std::move(keys)}};
}

absl::StatusOr<Jwk> JwkFromJson(const json& in) {
  if (!in.is_object()) return Malformed("a JWK is an object");
  // RFC 7518 6: private and symmetric members. Whoever publishes one has made a mistake that must be noticed.
  for (const char* secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (in.contains(secret)) return Malformed(absl::StrCat("private member ", secret));
  }
  std::string kty, crv, kid, alg, use;
  if (!GetOptionalString(in, "kty", &kty) || !GetOptionalString(in, "crv", &crv) ||
      !GetOptionalString(in, "kid", &kid) || !GetOptionalString(in, "alg", &alg) ||
      !GetOptionalString(in, "use", &use)) {
    return Malformed("kty, crv, kid, alg and use are strings");
  }
  if (kid.size() > kMaxName || alg.size() > kMaxName || use.size() > kMaxName)
    return Malformed("kid, alg or use is too long");
  absl::StatusOr<PublicKey> key = KeyFromJson(in, kty, crv);
  if (!key.ok()) return Malformed(key.status().message());
  if (!AlgFits(alg, key->type())) return Malformed("alg does not fit the key, or is not known");
  if (use == "enc" || !MayVerify(in)) return Malformed("use or key_ops does not allow to verify");
  return Jwk{std::move(kid), std::move(alg), std::move(use), *std::move(key)};
}

absl::StatusOr<JwkSet> JwkSetFromJson(const json& in) {
  if (!in.is_object()) return Malformed("a JWK Set is an object");
  const auto keys = in.find("keys");
  if (keys == in.end() || !keys->is_array()) return Malformed("keys is missing or not an array");
  if (keys->size() > kMaxKeys) return Malformed("more than 32 keys");
  JwkSet set;
  for (const json& item : *keys) {
    TWI_ASSIGN_OR_RETURN(Jwk jwk, JwkFromJson(item));
    if (set.Find(jwk.kid) != nullptr) return Malformed("two keys have the same kid");
    set.keys.push_back(std::move(jwk));
  }
  return set;
}

absl::StatusOr<JwkSet> JwkSetFromText(absl::string_view text) {
  const absl::StatusOr<json> parsed = ParseJson(text, kMaxSetSize);
  if (!parsed.ok()) return Malformed(parsed.status().message());
  return JwkSetFromJson(*parsed);
}

std::string Thumbprint(const PublicKey& key) {
  // RFC 7638 3.3: members in lexicographic order, no white space.
  return ToBase64Url(crypto::Sha256(RequiredMembers(key).dump()));
}

std::string JwsAlgFor(KeyType type) {
  switch (type) {
    case KeyType::kP256:
      return "ES256";
    case KeyType::kP384:
      return "ES384";
    case KeyType::kEd25519:
      return "EdDSA";
    case KeyType::kRsa3072:
    case KeyType::kRsaOther:
      break;
  }
  return "RS256";
}

}  // namespace twi::jose
