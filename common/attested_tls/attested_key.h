// What the Evidence of attested TLS is bound to, as inputs of the one binding function (common/binding, architecture
// section 3): both sides and the Verifier compute it from their own values.
//   nonce   = the Verifier's, of the session that the relying party opened
//   target  = domain label, profile and role: "twi-atls-v1:session:server", ...
//   rp_id   = the relying party that challenges
//   subject = len32(SPKI of the leaf)         || SPKI
//          || len32(exporter)                 || exporter      profile session: 32 bytes; handshake: empty
//          || len32(SHA-256 of peer's SPKI)   || that          profile session: 32 bytes, zeros when the peer has no
//                                                              certificate; handshake: empty
// So what wire-formats section 6 asks of a binder is in it: label, role, exporter, own and peer leaf, nonce. With
// `handshake` neither exporter nor peer is, which is why it can be relayed (README.md).
#ifndef TWI_COMMON_ATTESTED_TLS_ATTESTED_KEY_H_
#define TWI_COMMON_ATTESTED_TLS_ATTESTED_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attested_tls/code_points.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::atls {

// `role`: of the side that attests.
std::string BindingTarget(Profile profile, Role role);
// True for the four targets above: no credential may be for one of these.
bool IsBindingTarget(absl::string_view target);

struct AttestedKeySubject {
  std::string spki;             // DER
  std::string exporter;         // 32 bytes or none
  std::string peer_key_sha256;  // 32 bytes or none, as exporter
};
std::string WriteSubject(const AttestedKeySubject& subject);
// REQUEST_MALFORMED: lengths, both or neither of exporter and peer, SPKI a P-256 key in canonical DER.
absl::StatusOr<AttestedKeySubject> ReadSubject(absl::string_view subject);

v1::Binding MakeBinding(Profile profile, Role role, absl::string_view nonce, absl::string_view relying_party,
                        const AttestedKeySubject& subject);

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_ATTESTED_KEY_H_
