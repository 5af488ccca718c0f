#include "services/verifier/formats/tpm_parts.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/verifier/formats/eventlog.h"
#include "services/verifier/formats/tpm_containers.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

constexpr absl::string_view kMagic("\xff\x54\x43\x47", 4);
constexpr char kPemBegin[] = "-----BEGIN PUBLIC KEY-----";
constexpr char kPemEnd[] = "-----END PUBLIC KEY-----";
constexpr std::size_t kMaxPem = 8192;

bool LooksLikeJson(absl::string_view bytes) { return absl::StartsWith(absl::StripLeadingAsciiWhitespace(bytes), "{"); }

bool LooksLikeToken(absl::string_view bytes) { return bytes.size() > 22 && bytes.substr(18, 4) == kMagic; }

}  // namespace

absl::StatusOr<std::string> TpmSpkiFromFile(absl::string_view bytes) {
  if (!absl::StrContains(bytes.substr(0, kMaxPem), kPemBegin)) return std::string(bytes);
  const std::size_t begin = bytes.find(kPemBegin) + sizeof(kPemBegin) - 1;
  const std::size_t end = bytes.substr(0, kMaxPem).find(kPemEnd, begin);
  if (end == absl::string_view::npos) return Deny(v1::DENY_REASON_KEY_MALFORMED, "PEM: no END line");
  return FromBase64(absl::StrReplaceAll(bytes.substr(begin, end - begin), {{"\n", ""}, {"\r", ""}}));
}

TpmPart TpmPartOf(absl::string_view bytes) {
  if (absl::StartsWith(bytes, kMagic)) return TpmPart::kQuote;
  if (ParseTpmSignature(bytes).ok()) return TpmPart::kSignature;
  if (ParseTpmPublic(bytes).ok()) return TpmPart::kPublic;
  if (ParseTpm2ToolsPcrs(bytes).ok()) return TpmPart::kPcrs;
  if (crypto::ParseCertificates(bytes).ok()) return TpmPart::kCertificates;
  if (const auto spki = TpmSpkiFromFile(bytes); spki.ok() && crypto::PublicKey::FromSpki(*spki).ok())
    return TpmPart::kBareKey;
  if (ParseEventLog(bytes).ok()) return TpmPart::kEventLog;
  return TpmPart::kUnknown;
}

absl::StatusOr<std::vector<v1::TpmEvidence>> TpmEvidenceFromContainer(absl::string_view bytes) {
  if (!LooksLikeJson(bytes) && !LooksLikeToken(bytes)) return ParseGoTpmToolsAttestation(bytes);
  auto single = LooksLikeJson(bytes) ? ParseTrusteeTpmJson(bytes) : ParseEnactTrustToken(bytes);
  if (!single.ok()) return single.status();
  return std::vector<v1::TpmEvidence>{*std::move(single)};
}

bool LooksLikeTpmContainer(absl::string_view bytes) {
  if (LooksLikeToken(bytes) || (LooksLikeJson(bytes) && absl::StrContains(bytes, "\"tpm_quote\""))) return true;
  return ParseGoTpmToolsAttestation(bytes).ok();
}

}  // namespace twi::verifier
