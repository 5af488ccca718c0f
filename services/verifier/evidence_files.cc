#include "services/verifier/evidence_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/snp_cert_table/snp_cert_table.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/endorsement_files.h"
#include "services/verifier/formats/snp_report.h"
#include "services/verifier/formats/snp_tsm_report.h"
#include "services/verifier/formats/tpm_companions.h"
#include "services/verifier/formats/tpm_files.h"

namespace twi::verifier {
namespace {

enum class Kind { kSnpReport, kTsmJson, kTsmCbor, kTpm, kEndorsement, kUnknown };

bool LooksLikeCborMap(absl::string_view bytes) {
  return !bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0xe0) == 0xa0;
}

// A report cut short or long still begins like one: a version, a guest SVN in the low bytes, and the reserved-one bit
// of the guest policy.
bool LooksLikeBrokenSnpReport(absl::string_view bytes) {
  return bytes.size() >= 0x10 && bytes[0] > 0 && bytes[0] < 16 &&
         bytes.substr(1, 3) == absl::string_view("\0\0\0", 3) && (bytes[0x0a] & 2) != 0;
}

Kind KindOf(const EvidenceFile& file) {
  const absl::string_view bytes = file.bytes;
  if (EndorsementKindOf(bytes) != EndorsementKind::kNone) return Kind::kEndorsement;
  if (bytes.size() == kSnpReportSize && !LooksLikeTpm(bytes, "")) return Kind::kSnpReport;
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(bytes), "{") && absl::StrContains(bytes, "\"outblob\""))
    return Kind::kTsmJson;
  if (LooksLikeCborMap(bytes) && absl::StrContains(bytes, "outblob")) return Kind::kTsmCbor;
  if (LooksLikeTpm(bytes, file.name)) return Kind::kTpm;
  if (LooksLikeBrokenSnpReport(bytes)) return Kind::kSnpReport;
  return Kind::kUnknown;
}

bool IsEvidence(Kind kind) {
  return kind == Kind::kSnpReport || kind == Kind::kTsmJson || kind == Kind::kTsmCbor || kind == Kind::kTpm;
}

absl::Status Unsupported(const EvidenceFile& file, absl::string_view what) {
  return Deny(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, absl::StrCat(file.name, ": ", what));
}

nlohmann::json TableEntries(absl::string_view table) {
  nlohmann::json entries = nlohmann::json::array();
  const auto parsed = ParseSnpCertTable(table);
  if (!parsed.ok()) return entries;
  for (const SnpCertTableEntry& entry : *parsed) {
    entries.push_back({{"guid", entry.guid}, {"what", entry.what}, {"offset", entry.offset}, {"length", entry.length}});
  }
  return entries;
}

absl::Status LoadTsm(const EvidenceFile& file, const TsmReport& tsm, LoadedEvidence& loaded) {
  absl::StatusOr<v1::SnpEvidence> evidence = SnpEvidenceOf(tsm);
  if (!evidence.ok()) return WithContext(evidence.status(), file.name);
  loaded.envelope = {{"provider", tsm.provider}};
  if (!tsm.auxblob.empty()) loaded.envelope["entries"] = TableEntries(tsm.auxblob);
  loaded.snp.push_back(*std::move(evidence));
  return absl::OkStatus();
}

absl::Status LoadSnp(const EvidenceFile& file, Kind kind, LoadedEvidence& loaded) {
  if (kind == Kind::kTsmJson) {
    TWI_ASSIGN_OR_RETURN(const TsmReport tsm, ParseTsmReportJson(file.bytes));
    return LoadTsm(file, tsm, loaded);
  }
  if (kind == Kind::kTsmCbor) {
    TWI_ASSIGN_OR_RETURN(const TsmReport tsm, ParseTsmReportCbor(file.bytes));
    return LoadTsm(file, tsm, loaded);
  }
  v1::SnpEvidence evidence;
  evidence.set_report(file.bytes);
  loaded.snp.push_back(std::move(evidence));
  return absl::OkStatus();
}

absl::Status LoadEndorsement(const EvidenceFile& file, LoadedEvidence& loaded) {
  if (EndorsementKindOf(file.bytes) == EndorsementKind::kCrl)
    return Unsupported(file, "a CRL alone; name the Evidence that it is about");
  TWI_ASSIGN_OR_RETURN(loaded.endorsement, CertificatesFromFile(file));
  if (EndorsementKindOf(file.bytes) == EndorsementKind::kSnpCertTable)
    loaded.envelope = {{"entries", TableEntries(file.bytes)}};
  return absl::OkStatus();
}

// A file that was found lying about: what does not parse may be anything. A CRL that does not parse stays, and is
// refused: it may be the one that revokes.
bool BrokenCertificate(const EvidenceFile& file) {
  return EndorsementKindOf(file.bytes) == EndorsementKind::kCertificates && !CertificatesFromFile(file).ok();
}

}  // namespace

absl::StatusOr<LoadedEvidence> LoadEvidence(const EvidenceFile& main, const std::vector<EvidenceFile>& companions,
                                            EvidenceFormat format, const std::vector<EvidenceFile>& attestation_keys) {
  LoadedEvidence loaded;
  for (const EvidenceFile& file : companions) {
    if (file.found && BrokenCertificate(file)) {
      loaded.left_out.push_back(absl::StrCat(file.name, ": not used: neither a certificate nor a key"));
    } else {
      loaded.companions.push_back(file);
    }
  }
  EvidenceFile evidence = main;
  Kind kind = KindOf(main);
  if (kind == Kind::kEndorsement) {
    const auto found = std::find_if(loaded.companions.begin(), loaded.companions.end(),
                                    [](const EvidenceFile& file) { return IsEvidence(KindOf(file)); });
    if (found != loaded.companions.end()) {
      evidence = *found;
      kind = KindOf(*found);
      *found = main;
    }
  }
  if (format == EvidenceFormat::kSnp && kind == Kind::kUnknown)
    kind = Kind::kSnpReport;  // the operator says so: its parser names what is wrong
  if (format == EvidenceFormat::kTpm && kind == Kind::kUnknown) kind = Kind::kTpm;
  loaded.evidence_name = evidence.name;
  switch (kind) {
    case Kind::kSnpReport:
    case Kind::kTsmJson:
    case Kind::kTsmCbor:
      if (format == EvidenceFormat::kTpm) return Unsupported(evidence, "an SEV-SNP report, not a TPM quote");
      TWI_RETURN_IF_ERROR(LoadSnp(evidence, kind, loaded));
      return loaded;
    case Kind::kTpm: {
      if (format == EvidenceFormat::kSnp) return Unsupported(evidence, "a TPM structure, not an SEV-SNP report");
      TWI_ASSIGN_OR_RETURN(const TpmCompanions chosen,
                           ChooseTpmCompanions(evidence, loaded.companions, attestation_keys));
      loaded.left_out.insert(loaded.left_out.end(), chosen.left_out.begin(), chosen.left_out.end());
      TWI_ASSIGN_OR_RETURN(loaded.tpm, TpmEvidenceFromFiles(evidence, chosen.chosen));
      return loaded;
    }
    case Kind::kEndorsement:
      if (format != EvidenceFormat::kAuto) return Unsupported(evidence, "a certificate or CRL, not Evidence");
      TWI_RETURN_IF_ERROR(LoadEndorsement(evidence, loaded));
      return loaded;
    case Kind::kUnknown:
      break;
  }
  if (evidence.bytes.empty()) return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat(evidence.name, ": empty"));
  return Unsupported(evidence, "no format that we know");
}

}  // namespace twi::verifier
