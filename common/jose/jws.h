// JWS Compact Serialization (RFC 7515), asymmetric only: ES256, ES384, EdDSA (Ed25519), RS256, PS256. Never "none",
// never HMAC.
#ifndef TWI_COMMON_JOSE_JWS_H_
#define TWI_COMMON_JOSE_JWS_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/keys.h"
#include "common/jose/json.h"  // ParseJson
#include "common/jose/jwk.h"
#include "nlohmann/json.hpp"

namespace twi::jose {

struct JwsHeader {
  std::string alg;
  std::string kid;  // may be empty when the token has none
  std::string typ;
};

// Signs `payload` (JSON text, as given). The header is exactly {"alg","kid","typ"} (+ "cty" never).
absl::StatusOr<std::string> SignJws(const crypto::PrivateKey& key, absl::string_view kid, absl::string_view typ,
                                    absl::string_view payload);

struct VerifiedJws {
  JwsHeader header;
  nlohmann::json payload;    // an object
  std::string payload_text;  // the very bytes that were signed
};

struct JwsExpectation {
  std::string typ;                    // required, compared exactly (case-insensitively per RFC 7515 4.1.9)
  std::size_t max_size = 256 * 1024;  // of the whole token
  bool allow_missing_kid = false;     // then every key of the set is tried
};

// Checks, in this order: size; three non-empty base64url parts; header is a JSON object without duplicate members,
// without "crit", "b64", "jku", "x5u", with the one expected typ; alg in the list above; kid names exactly one key in
// `keys` (JWS_KEY_UNKNOWN otherwise); alg fits that key; signature (SIGNATURE_INVALID); payload is a JSON object, no
// duplicate members, depth at most 32. JWS_MALFORMED for form.
absl::StatusOr<VerifiedJws> VerifyJws(absl::string_view token, const JwkSet& keys, const JwsExpectation& expectation);

// The payload without any check of the signature: for display (twictl inspect) only.
absl::StatusOr<VerifiedJws> InsecureDecodeJws(absl::string_view token, std::size_t max_size);

}  // namespace twi::jose

#endif  // TWI_COMMON_JOSE_JWS_H_
