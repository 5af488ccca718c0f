// Attestation Results: EAR, eat_profile tag:ietf.org,2026:rats/ear#04, as JWS ES256 (architecture section 5; reference
// EAR-04, AR4SI). Made by the Verifier only; validated by every relying party with this one function.
#ifndef TWI_COMMON_ATTESTATION_RESULTS_ATTESTATION_RESULTS_H_
#define TWI_COMMON_ATTESTATION_RESULTS_ATTESTATION_RESULTS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/keys.h"
#include "common/jose/jws.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/evidence.pb.h"

namespace twi {

constexpr char kEarProfile[] = "tag:ietf.org,2026:rats/ear#04";
constexpr char kEarTyp[] = "eat+jwt";
constexpr char kSubmod[] = "workload";  // the one submod that we emit; exactly one is accepted

constexpr char kBindingTacra2[] = "tacra-2";
// The freshness field is the nonce itself, and no key is attested: what a stock client of Veraison's API gets. Nobody
// of ours accepts such results (ValidateResults).
constexpr char kBindingNonce[] = "veraison-nonce";

// AR4SI tiers (ear_status).
enum class EarStatus { kNone, kAffirming, kWarning, kContraindicated };

struct AttestationResults {
  std::string issuer;                   // `iss`: the Verifier's SPIFFE ID; also ear_verifier_id.developer
  std::string build;                    // ear_verifier_id.build
  std::string audience;                 // `aud`: the relying party's rp_id
  std::string jti;                      // 128 random bits, base64url
  absl::Time issued_at, expires_at;     // `iat`, `exp`, whole seconds
  EarStatus status = EarStatus::kNone;  // ear_status of the submod
  std::map<std::string, int>
      trustworthiness;  // AR4SI: "hardware", "executables", "configuration", "instance-identity", ...
  std::vector<std::string> appraisal_policy_ids;  // "id@sha256:<hex>"
  std::string key_spki;  // ear_veraison_key_attestation.akpub and cnf (must be equal): CSR's key (A, B, C) or
                         // encryption key (D)
  std::string nonce;     // the challenge as issued (twi_binding.nonce)
  std::string binding_profile = kBindingTacra2;  // twi_binding.profile
  std::string target;                            // twi_binding.target
  std::string
      reported_binding;  // eat_nonce of the submod: the value found in the Evidence's freshness field (64 or 32 bytes)
  std::string channel_key_sha256;  // twi_binding.channel_key_sha256: TLS key of the workload's connection, 32 bytes
  std::string evidence_sha256;     // ear_input_digest ["sha-256", ...]: of the serialized Evidence, 32 bytes
  nlohmann::json software;         // ear_verifier_claims.software {name, version, vendor}; null when unknown
  nlohmann::json attester_claims;  // ear_attester_claims: appraised claims of the Evidence, without chip ids
  std::optional<std::string> workload_credential_json;  // twi_workload_credential (A): the credential, JSON text
};

// The claims set as JSON. With kBindingNonce there is no akpub, cnf, target or channel key, and the nonce stands at the
// top as eat_nonce too.
nlohmann::json ToEarClaims(const AttestationResults& results);
// Signs as JWS. The results must be complete: INTERNAL otherwise.
absl::StatusOr<std::string> SignResults(const AttestationResults& results, const crypto::PrivateKey& key,
                                        absl::string_view kid);

struct ResultsExpectation {
  std::string audience;  // own rp_id
  std::string issuer;    // the Verifier expected to have signed
  absl::Time now;
  absl::Duration max_age = absl::Minutes(10);  // since iat, whatever exp says
  absl::Duration max_skew = absl::Seconds(5);  // iat may be this far ahead (RESULTS_NOT_YET_VALID beyond)
  bool require_affirming = true;
};

// Validates everything that does not need the request: profile tacra-2 only, signature under a key of `keys`
// (RESULTS_KEY_UNKNOWN, RESULTS_SIGNATURE_INVALID), profile, exactly our claims (an unknown claim at the top or in the
// submod is refused: RESULTS_MALFORMED), types, lengths, one submod, ear_status not above its vector, akpub == cnf
// (RESULTS_KEY_MISMATCH), iss, aud (RESULTS_WRONG_AUDIENCE), iat/exp (RESULTS_EXPIRED, RESULTS_NOT_YET_VALID), status
// (RESULTS_NOT_AFFIRMING). The caller still checks: single use of jti, key_spki against the request's key, the binding,
// the channel key.
absl::StatusOr<AttestationResults> ValidateResults(absl::string_view jws, const jose::JwkSet& keys,
                                                   const ResultsExpectation& expectation);

// The checks that need the request, for every relying party: binding valid, nonce/target equal to the results',
// results.reported_binding is this binding's value (recomputed with binding.rp_id, which the caller has set to its OWN
// rp_id), channel key equal. BINDING_MISMATCH, RESULTS_WRONG_CHANNEL.
absl::Status MatchResultsToRequest(const AttestationResults& results, const v1::Binding& binding,
                                   absl::string_view channel_key_sha256);

// The object that policies see as `results` (CEL): status, trustworthiness {..}, software {name, version, vendor},
// policy_ids, audience, target, attester (attester_claims), issuer. Closed schema: see README.md. `evidence` is
// attester_claims (mechanism A only).
nlohmann::json ResultsForPolicy(const AttestationResults& results);

}  // namespace twi

#endif  // TWI_COMMON_ATTESTATION_RESULTS_ATTESTATION_RESULTS_H_
