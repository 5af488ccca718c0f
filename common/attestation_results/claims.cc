#include "common/attestation_results/claims.h"

#include <array>

#include "common/crypto/hpke.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/status/status_macros.h"

namespace twi::ear {
namespace {

constexpr std::size_t kX25519SpkiSize = 44;

// none is below affirming, yet it is not a warning: it says that nothing was found out. For "no higher trust than" it
// counts as the least trusted but contraindicated.
int Rank(EarStatus status) {
  switch (status) {
    case EarStatus::kAffirming:
      return 3;
    case EarStatus::kWarning:
      return 2;
    case EarStatus::kNone:
      return 1;
    case EarStatus::kContraindicated:
      return 0;
  }
  return 0;
}

}  // namespace

absl::StatusOr<nlohmann::json> AttestedKeyJwk(absl::string_view spki) {
  if (spki.size() == kX25519SpkiSize && crypto::CheckHpkePublicKey(spki).ok()) {
    return nlohmann::json{{"kty", "OKP"}, {"crv", "X25519"}, {"x", ToBase64Url(spki.substr(12))}};
  }
  TWI_ASSIGN_OR_RETURN(crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
  const std::string alg = jose::JwsAlgFor(key.type());
  return jose::ToJson(jose::Jwk{"", alg, "", key});
}

std::string StatusName(EarStatus status) {
  switch (status) {
    case EarStatus::kNone:
      return "none";
    case EarStatus::kAffirming:
      return "affirming";
    case EarStatus::kWarning:
      return "warning";
    case EarStatus::kContraindicated:
      return "contraindicated";
  }
  return "none";
}

std::optional<EarStatus> StatusFromName(absl::string_view name) {
  for (EarStatus status : {EarStatus::kNone, EarStatus::kAffirming, EarStatus::kWarning, EarStatus::kContraindicated}) {
    if (name == StatusName(status)) return status;
  }
  return std::nullopt;
}

std::optional<EarStatus> TierOf(int value) {
  if (value < -128 || value > 127) return std::nullopt;
  if (value >= -1 && value <= 1) return EarStatus::kNone;
  if ((value >= 2 && value <= 31) || (value <= -2 && value >= -32)) return EarStatus::kAffirming;
  if ((value >= 32 && value <= 95) || (value <= -33 && value >= -96)) return EarStatus::kWarning;
  return EarStatus::kContraindicated;
}

std::optional<EarStatus> WorstTier(const std::map<std::string, int>& vector) {
  EarStatus worst = EarStatus::kAffirming;
  if (vector.empty()) return EarStatus::kNone;
  for (const auto& [label, value] : vector) {
    const std::optional<EarStatus> tier = TierOf(value);
    if (!tier.has_value()) return std::nullopt;
    if (MoreTrusted(worst, *tier)) worst = *tier;
  }
  return worst;
}

bool IsTrustworthinessLabel(absl::string_view label) {
  static constexpr std::array<absl::string_view, 8> kLabels = {"instance-identity", "configuration", "executables",
                                                               "file-system",       "hardware",      "runtime-opaque",
                                                               "storage-opaque",    "sourced-data"};
  for (absl::string_view known : kLabels) {
    if (label == known) return true;
  }
  return false;
}

bool MoreTrusted(EarStatus a, EarStatus b) { return Rank(a) > Rank(b); }

}  // namespace twi::ear
