// The one function that makes the value of the Evidence's freshness field (architecture section 3;
// draft-novak-rats-tacra, order of 30 September 2026).
#ifndef TWI_COMMON_BINDING_BINDING_H_
#define TWI_COMMON_BINDING_BINDING_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi {

// Form only: profile known; nonce 8..128 bytes; target and rp_id 1..2048 bytes, absolute URIs ("scheme:..."), printable
// ASCII; subject 1..4096 bytes. REQUEST_MALFORMED, REQUEST_TOO_LARGE, BINDING_PROFILE_NOT_ALLOWED, CHALLENGE_MISSING
// (empty nonce).
absl::Status ValidateBinding(const v1::Binding& binding);

// len32(nonce)||nonce||len32(target)||target||len32(rp_id)||rp_id||len32(subject)||subject. The binding must be valid.
std::string BindingInput(const v1::Binding& binding);

// The digest for a 64-byte field (SHA-512: SNP, TDX, Nitro) and for a TPM's extraData (SHA-256, 32 bytes).
std::string BindingValue64(const v1::Binding& binding);
std::string BindingValue32(const v1::Binding& binding);

// OK when `freshness` (as found in the Evidence, or reported in Attestation Results) is this binding's value of the
// same size, compared in constant time. BINDING_MISMATCH otherwise; any size but 64 and 32 is a mismatch.
absl::Status MatchBinding(const v1::Binding& binding, absl::string_view freshness);

}  // namespace twi

#endif  // TWI_COMMON_BINDING_BINDING_H_
