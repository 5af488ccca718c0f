// Names and small rules of the claims, shared by the side that signs and the side that validates.
#ifndef TWI_COMMON_ATTESTATION_RESULTS_CLAIMS_H_
#define TWI_COMMON_ATTESTATION_RESULTS_CLAIMS_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attestation_results/attestation_results.h"
#include "nlohmann/json.hpp"

namespace twi::ear {

// The JWK of an attested key: of a credential key by jose::ToJson, of an X25519 encryption key by RFC 8037 (kty OKP,
// crv X25519).
absl::StatusOr<nlohmann::json> AttestedKeyJwk(absl::string_view spki);

// "affirming" ... and back (EAR-04 section 3, JSON form).
std::string StatusName(EarStatus status);
std::optional<EarStatus> StatusFromName(absl::string_view name);

// The tier of one AR4SI value (AR4SI section 2.3.2): none {-1,0,1}, affirming 2..31 and -2..-32, warning 32..95 and
// -33..-96, else contraindicated. Unset outside int8.
std::optional<EarStatus> TierOf(int value);

// The highest status that a vector allows: its worst entry; kNone when empty (then nothing was appraised).
std::optional<EarStatus> WorstTier(const std::map<std::string, int>& vector);

// The eight labels of AR4SI.
bool IsTrustworthinessLabel(absl::string_view label);

// True when `a` claims more trust than `b`.
bool MoreTrusted(EarStatus a, EarStatus b);

}  // namespace twi::ear

#endif  // TWI_COMMON_ATTESTATION_RESULTS_CLAIMS_H_
