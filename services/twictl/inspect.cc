#include "services/twictl/inspect.h"

#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/jose/jwk.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/twictl/appraise_offline.h"
#include "services/twictl/input_files.h"
#include "services/twictl/inspect_claims.h"
#include "services/twictl/inspect_jws.h"
#include "services/twictl/printable.h"
#include "services/verifier/endorsement_files.h"
#include "services/verifier/formats/tpm_files.h"

namespace twi::twictl {
namespace {

using nlohmann::json;

constexpr char kNotVerified[] = "signature NOT verified";

std::string Time(absl::Time time) { return absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

// Our claims stand in an extension under the arc of GUIDs.
std::string ClaimsOf(const crypto::Certificate& certificate) {
  for (const crypto::Extension& extension : certificate.extensions) {
    if (!absl::StartsWith(extension.oid, "1.2.840.113556.1.8000.2554.")) continue;
    if (const std::optional<absl::string_view> claims = Utf8StringIn(extension.value); claims.has_value())
      return std::string(*claims);
  }
  return "";
}

Shown InspectCertificates(const std::vector<crypto::Certificate>& certificates) {
  Shown shown;
  shown.json = {{"kind", "certificates"},
                {"signature", kNotVerified},
                {"signature_verified", false},
                {"certificates", json::array()}};
  for (const crypto::Certificate& c : certificates) {
    const std::string claims = ClaimsOf(c);
    shown.json["certificates"].push_back({{"subject", c.subject_common_name},
                                          {"issuer", c.issuer_common_name},
                                          {"serial", ToHex(c.serial)},
                                          {"not_before", Time(c.not_before)},
                                          {"not_after", Time(c.not_after)},
                                          {"ca", c.is_ca},
                                          {"uri_sans", c.uri_sans},
                                          {"dns_sans", c.dns_sans},
                                          {"key_sha256", ToHex(c.public_key.spki_sha256())},
                                          {"sha256", ToHex(c.sha256())},
                                          {"claims", claims}});
    absl::StrAppend(&shown.text, c.is_ca ? "certificate of an issuer: " : "certificate: ",
                    Printable(c.uri_sans.empty() ? c.subject_common_name : absl::StrJoin(c.uri_sans, ", ")),
                    "\n  issued by     ", Printable(c.issuer_common_name), "\n  serial        ", ToHex(c.serial),
                    "\n  valid         ", Time(c.not_before), " to ", Time(c.not_after), "\n");
    if (!c.dns_sans.empty())
      absl::StrAppend(&shown.text, "  DNS names     ", Printable(absl::StrJoin(c.dns_sans, ", ")), "\n");
    if (!claims.empty()) absl::StrAppend(&shown.text, "  claims        ", Printable(claims), "\n");
    absl::StrAppend(&shown.text, "  key           ", c.public_key.bits(), " bits, SHA-256 ",
                    ToHex(c.public_key.spki_sha256()), "\n  ", kNotVerified, "\n");
  }
  return shown;
}

// Bytes that have a format's size and not its form are not Evidence of that format: 1184 random bytes are no report.
bool IsOfForm(DenyReason reason) {
  return reason == v1::DENY_REASON_EVIDENCE_MALFORMED || reason == v1::DENY_REASON_EVIDENCE_VERSION_UNSUPPORTED ||
         reason == v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED || reason == v1::DENY_REASON_EVIDENCE_WRONG_TYPE;
}

// Without a reason of the closed list: whoever names such a file has made a mistake (exit code 2).
absl::Status Unrecognised(const verifier::EvidenceFile& file, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("not recognised (", file.bytes.size(), " bytes): ", why,
                   "; neither a JWS, a certificate, a private key, nor Evidence that can be read"));
}

// The fields that `appraise` would judge, by the code that would judge them, without a single trust anchor.
absl::StatusOr<Shown> InspectEvidence(const verifier::EvidenceFile& file) {
  const absl::StatusOr<verifier::LoadedEvidence> loaded =
      verifier::LoadEvidence(file, {}, verifier::EvidenceFormat::kAuto);
  if (!loaded.ok()) {
    const bool one_of_a_set = verifier::LooksLikeTpm(file.bytes, "");
    return IsOfForm(DenyReasonOf(loaded.status())) && !one_of_a_set ? Unrecognised(file, loaded.status().message())
                                                                    : loaded.status();
  }
  OfflineRules rules;
  rules.now = absl::Now();
  const OfflineReport report = AppraiseOffline(*loaded, rules);
  for (const verifier::Finding& finding : report.findings) {
    if (IsOfForm(finding.reason))
      return Unrecognised(file, absl::StrCat("of ", report.format, " in its size or first bytes, but not in its form: ",
                                             verifier::FindingText(finding)));
  }
  Shown shown;
  shown.json = {{"kind", "evidence"},
                {"format", report.format},
                {"signature", kNotVerified},
                {"signature_verified", false},
                {"fields", report.fields}};
  shown.text = absl::StrCat("Evidence, format ", report.format, "\n");
  for (const auto& [name, value] : report.fields.items()) {
    absl::StrAppend(&shown.text, "  ", Printable(name), ": ",
                    Printable(value.is_string() ? value.get_ref<const std::string&>()
                                                : value.dump(-1, ' ', false, json::error_handler_t::replace)),
                    "\n");
  }
  absl::StrAppend(&shown.text, "  ", kNotVerified, ": see `twictl appraise`\n");
  return shown;
}

absl::StatusOr<Shown> InspectOne(const verifier::EvidenceFile& file, const jose::JwkSet* keys) {
  const absl::string_view text = absl::StripAsciiWhitespace(file.bytes);
  if (LooksLikeJws(text)) return InspectJws(text, keys);
  if (absl::StrContains(file.bytes, "PRIVATE KEY-----"))
    return Shown{{{"kind", "private-key"}}, "a private key; it is not shown\n"};
  if (verifier::EndorsementKindOf(file.bytes) == verifier::EndorsementKind::kCertificates) {
    TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> certificates, crypto::ParseCertificates(file.bytes));
    return InspectCertificates(certificates);
  }
  return InspectEvidence(file);
}

absl::StatusOr<Shown> Inspect(const Flags& flags) {
  if (flags.positional().empty()) return absl::InvalidArgumentError("expected a FILE");
  std::unique_ptr<jose::JwkSet> keys;
  if (flags.Has("--jwks")) {
    TWI_ASSIGN_OR_RETURN(const verifier::EvidenceFile file, ReadInputFile(flags.Get("--jwks")));
    TWI_ASSIGN_OR_RETURN(jose::JwkSet set, jose::JwkSetFromText(file.bytes));
    keys = std::make_unique<jose::JwkSet>(std::move(set));
  }
  Shown all;
  all.json = {{"files", json::array()}};
  for (const std::string& path : flags.positional()) {
    TWI_ASSIGN_OR_RETURN(const verifier::EvidenceFile file, ReadInputFile(path));
    absl::StatusOr<Shown> one = InspectOne(file, keys.get());
    if (!one.ok()) return WithContext(one.status(), path);
    one->json["file"] = path;
    all.json["files"].push_back(std::move(one->json));
    absl::StrAppend(&all.text, flags.positional().size() > 1 ? absl::StrCat(path, ": ") : "", one->text);
    if (one->exit_code != kExitDone) all.exit_code = one->exit_code;
  }
  return all;
}

}  // namespace

int RunInspect(const Args& args) {
  return RunFramed(
      {"inspect",
       "Says what Evidence, Attestation Results, grants and credentials in files say: inspect FILE... It verifies "
       "nothing but JWS signatures, and those only with --jwks.",
       {{"--jwks", "FILE", "JSON Web Key Set: verifies the signatures of JWS files with it"}, OutputFlag(), HelpFlag()},
       64,
       Inspect},
      args);
}

}  // namespace twi::twictl
