// The Verifier's sessions for attested TLS: its challenge-response API as common/attested_tls wants it.
#ifndef TWI_COMMON_CLIENT_VERIFIER_SESSIONS_H_
#define TWI_COMMON_CLIENT_VERIFIER_SESSIONS_H_

#include <memory>

#include "common/attested_tls/verifier_sessions.h"
#include "common/client/verifier_session.h"
#include "common/time/clock.h"

namespace twi::client {

// `verifier` and `clock` must outlive it. The caller's SPIFFE ID must be one that the Verifier's config names for the
// rp_id of the binding (RELYING_PARTY_NOT_ALLOWED). DEPENDENCY_UNAVAILABLE when the Verifier does not take bound
// Evidence of ours (a stock Veraison: what it appraises is bound to a nonce only).
std::unique_ptr<atls::VerifierSessions> MakeVerifierSessions(VerifierSessionClient& verifier, const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_VERIFIER_SESSIONS_H_
