// From an appraisal to Attestation Results (B5, C7, D4): a plain function over values.
#ifndef TWI_SERVICES_VERIFIER_MAKE_RESULTS_H_
#define TWI_SERVICES_VERIFIER_MAKE_RESULTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/attestation_results/attestation_results.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/appraise_evidence.h"

namespace twi::verifier {

// What the Verifier says of itself and of the request.
struct ResultsContext {
  std::string issuer;
  std::string build;
  std::string appraisal_policy_id;
  std::string jti;
  std::string channel_key_sha256;  // 32 bytes, from the channel (C: as the relying party saw it)
  std::string evidence_sha256;     // 32 bytes
  absl::Time now;
  absl::Duration lifetime;
};

// The public key that the binding's subject stands for. With a target of attested TLS it is the connection's leaf key
// (common/attested_tls/attested_key.h; its possession is proven to the relying party by TLS), REQUEST_MALFORMED; else
// that of a PKCS#10 request (A, B, C; its self-signature is the relying party's to verify, which does so before it
// issues) or the X25519 encryption key itself (D), CSR_MALFORMED.
absl::StatusOr<std::string> AttestedKeyOf(const v1::Binding& binding);

// `appraisal` was accepted and its freshness field matches `binding` (both checked by the caller; INTERNAL otherwise);
// `attested_key` is AttestedKeyOf(binding).
absl::StatusOr<AttestationResults> MakeResults(const Appraisal& appraisal, const v1::Binding& binding,
                                               const std::string& attested_key, const ResultsContext& context);

// The same for Evidence whose freshness field is `nonce` itself: results for `audience`, of no key (kBindingNonce).
// BINDING_MISMATCH.
absl::StatusOr<AttestationResults> MakeResultsForNonce(const Appraisal& appraisal, absl::string_view nonce,
                                                       const std::string& audience, const ResultsContext& context);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_MAKE_RESULTS_H_
