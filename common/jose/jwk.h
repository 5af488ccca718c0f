// JSON Web Keys (RFC 7517, RFC 7518, RFC 8037), public halves only.
#ifndef TWI_COMMON_JOSE_JWK_H_
#define TWI_COMMON_JOSE_JWK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/keys.h"
#include "nlohmann/json.hpp"

namespace twi::jose {

struct Jwk {
  std::string kid;
  std::string alg;  // "ES256", ...; may be empty
  std::string use;  // "sig", "wit-svid", ...; may be empty
  crypto::PublicKey key;
};

struct JwkSet {
  std::vector<Jwk> keys;
  const Jwk* Find(absl::string_view kid) const;
};

// {"kty","crv","x","y",...} with alg, and kid/use when not empty.
nlohmann::json ToJson(const Jwk& jwk);
nlohmann::json ToJson(const JwkSet& set);
// Refuses private members ("d", "p", ...), unknown kty/crv, wrong lengths, points off the curve: JWK_MALFORMED. At most
// 32 keys, kid unique.
absl::StatusOr<Jwk> JwkFromJson(const nlohmann::json& json);
absl::StatusOr<JwkSet> JwkSetFromJson(const nlohmann::json& json);
absl::StatusOr<JwkSet> JwkSetFromText(absl::string_view text);
// RFC 7638 thumbprint, SHA-256, base64url: our kid for every key.
std::string Thumbprint(const crypto::PublicKey& key);
// JWS alg for a key type: P-256 ES256, P-384 ES384, Ed25519 EdDSA, RSA RS256.
std::string JwsAlgFor(crypto::KeyType type);

}  // namespace twi::jose

#endif  // TWI_COMMON_JOSE_JWK_H_
