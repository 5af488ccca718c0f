// The Verifier's sessions for attested TLS over its gRPC front: the nonce is the relying party's own (as in mechanism
// C), and the Evidence goes encrypted to the Verifier.
#ifndef TWI_COMMON_CLIENT_VERIFIER_SESSIONS_H_
#define TWI_COMMON_CLIENT_VERIFIER_SESSIONS_H_

#include <memory>

#include "common/attested_tls/verifier_sessions.h"
#include "common/client/verifier_client.h"
#include "common/crypto/random.h"
#include "common/time/clock.h"

namespace twi::client {

// `verifier`, `random` and `clock` must outlive it. The caller's SPIFFE ID must be one that the Verifier's config names
// for the rp_id of the binding (RELYING_PARTY_NOT_ALLOWED). The Verifier's encryption key is fetched with the first
// session, and again when it is older than five minutes or a submission was refused.
std::unique_ptr<atls::VerifierSessions> MakeVerifierSessions(VerifierClient& verifier, crypto::Random& random,
                                                             const Clock& clock);

}  // namespace twi::client

#endif  // TWI_COMMON_CLIENT_VERIFIER_SESSIONS_H_
