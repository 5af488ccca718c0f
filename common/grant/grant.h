// A grant: the Claims Mapper's signed word that a key (or a Workload Owner) may receive an identity and claims
// (architecture section 2). JWS ES256, typ twi-grant+jwt. Made by the Claims Mapper only; validated by the Credential
// Authority.
#ifndef TWI_COMMON_GRANT_GRANT_H_
#define TWI_COMMON_GRANT_GRANT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/jose/jws.h"
#include "nlohmann/json.hpp"

namespace twi {

constexpr char kGrantTyp[] = "twi-grant+jwt";

struct Grant {
  std::string issuer;    // `iss`: the Claims Mapper's SPIFFE ID
  std::string audience;  // `aud`: rp_id of the Credential Authority
  std::string jti;
  absl::Time issued_at, expires_at;  // minutes apart
  std::string workload_identifier;   // `sub`: SPIFFE ID with a path
  nlohmann::json claims;             // object: business claims for the credential
  absl::Duration max_lifetime;       // of the credential; already cut to the shortest volatile claim's life
  std::vector<std::string> dns_names;
  std::string policy_name;
  std::uint64_t policy_version = 0;
  std::string policy_sha256;  // 32 bytes
  std::string policy_owner;   // SPIFFE ID of the Workload Owner
  // Exactly one of the two: the credential's public key (A, B, C), or the Workload Owner who provisions (D).
  std::string key_sha256;  // SHA-256 of the SubjectPublicKeyInfo, 32 bytes
  std::string owner;
  std::string results_sha256;  // SHA-256 of the Attestation Results JWS it was mapped from (A, B, C); empty for D
  // SHA-256 of the release policy that it was planned with (D), 32 bytes: that of the key it may be redeemed for. Empty
  // for A, B, C.
  std::string release_policy_sha256;
};

absl::StatusOr<std::string> SignGrant(const Grant& grant, const crypto::PrivateKey& key, absl::string_view kid);

struct GrantExpectation {
  std::string audience;
  std::string issuer;
  absl::Time now;
  absl::Duration max_skew = absl::Seconds(5);
  std::string key_sha256;      // of the request's key, or empty when an owner is expected
  std::string owner;           // caller's SPIFFE ID (D), or empty
  std::string results_sha256;  // of the results in hand; empty for D
};

// GRANT_MALFORMED (also unknown claims), GRANT_SIGNATURE_INVALID, GRANT_KEY_UNKNOWN, GRANT_EXPIRED,
// GRANT_NOT_YET_VALID, GRANT_WRONG_AUDIENCE, GRANT_WRONG_KEY, GRANT_WRONG_OWNER. The caller still checks single use of
// jti, that the policy version is in force, and, for D, that the key's release policy is the grant's.
absl::StatusOr<Grant> ValidateGrant(absl::string_view jws, const jose::JwkSet& keys,
                                    const GrantExpectation& expectation);

}  // namespace twi

#endif  // TWI_COMMON_GRANT_GRANT_H_
