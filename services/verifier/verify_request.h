// One appraisal from request to signed Attestation Results: the legs that A, B, C and D share.
#ifndef TWI_SERVICES_VERIFIER_VERIFY_REQUEST_H_
#define TWI_SERVICES_VERIFIER_VERIFY_REQUEST_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/attestation_results/attestation_results.h"
#include "common/challenge/challenge.h"
#include "common/crypto/random.h"
#include "common/storage/signing_keys.h"
#include "common/time/clock.h"
#include "proto/twi/v1/verifier.pb.h"
#include "services/verifier/appraisal_files.h"
#include "services/verifier/appraise_evidence.h"
#include "services/verifier/encryption_key.h"

namespace twi::verifier {

// What an appraisal needs beside the request. `rules` is swapped whole on reload.
struct VerifierDeps {
  const Clock& clock;
  crypto::Random& random;
  Challenges& challenges;
  storage::SigningKeys& results_keys;
  const EncryptionKey& encryption_key;
  std::string issuer;
  absl::Duration results_lifetime;
  std::map<std::string, std::string> relying_parties;  // rp_id -> SPIFFE ID that may ask for it (may be empty)
  std::function<std::shared_ptr<const AppraisalRules>()> rules;
  // Told of every appraisal, for the metrics; may be empty.
  std::function<void(const Appraisal&)> on_appraised;
};

// The version text that stands in ear_verifier_id.build.
extern const char kVerifierBuild[];

// Validates the binding, that rp_id is a configured relying party, redeems the challenge on this channel, appraises,
// matches the binding to the freshness field. Returns unsigned results. A4 A5, B3 B4 B5, D3 D4.
absl::StatusOr<AttestationResults> AppraiseForWorkload(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                       const v1::Binding& binding,
                                                       absl::string_view channel_key_sha256);

// C5..C7: the caller is the relying party itself, whose nonce it is; rp_id must be the one configured for that peer.
absl::StatusOr<AttestationResults> AppraiseForRelyingParty(const VerifierDeps& deps,
                                                           const v1::AppraiseForRelyingPartyRequest& request,
                                                           absl::string_view peer_spiffe_id);

// Evidence of a session of the REST API. `bytes`: as submitted. Whose session it is, that rp_id or `audience` are the
// caller's, and single use are the caller's to check (rest_service.h).
// Attested TLS: Evidence is bound to `binding`, whose nonce is the session's. The attested key is the channel's.
absl::StatusOr<AttestationResults> AppraiseForSession(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                      absl::string_view bytes, const v1::Binding& binding);
// Stock clients: the freshness field is the session's nonce.
absl::StatusOr<AttestationResults> AppraiseForNonce(const VerifierDeps& deps, const v1::Evidence& evidence,
                                                    absl::string_view bytes, absl::string_view nonce,
                                                    const std::string& audience);

// Signs with the current results key.
absl::StatusOr<std::string> Sign(const VerifierDeps& deps, const AttestationResults& results);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_VERIFY_REQUEST_H_
