#include "services/twictl/appraise.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/load_yaml.h"
#include "common/encoding/encoding.h"
#include "common/status/status_macros.h"
#include "services/twictl/appraise_offline.h"
#include "services/twictl/flags.h"
#include "services/twictl/input_files.h"
#include "services/twictl/printable.h"
#include "services/verifier/endorsement_files.h"
#include "services/verifier/formats/snp.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_files.h"

namespace twi::twictl {
namespace {

using verifier::EvidenceFile;

constexpr char kSummary[] =
    "Says whether Evidence is genuine and whether a policy accepts it. Exit 0: accept; 1: deny-policy or reject; 2: "
    "usage.";

const std::vector<FlagSpec>& Specs() {
  static const std::vector<FlagSpec>* const specs = new std::vector<FlagSpec>{
      {"--evidence", "FILE", "report, quote, or an envelope of one; a certificate alone is appraised for itself", false,
       true},
      {"--format", "snp|tpm|auto", "what the file must be; default auto: found out from its bytes"},
      {"--endorsement", "FILE", "what belongs to the Evidence: certificates, CRLs, certificate tables, TPM structures",
       true},
      {"--collateral", "FILE|DIR",
       "the same; of a directory's files those that belong to the Evidence, the rest is named", true},
      {"--trust-anchor", "FILE|sha256:HEX", "pins this root instead of the vendors' real ones", true},
      {"--insecure-trust-anchor", "FILE", "pins the root of a development SEV-SNP chain; the result says insecure",
       true},
      {"--attestation-key", "FILE",
       "TPM: a key that you vouch for (PEM; TPMT_PUBLIC, TPM2B_PUBLIC: in every byte); of Evidence without a key, its "
       "key",
       true},
      {"--time", "RFC3339", "appraise as of this time; default now"},
      {"--expect-binding", "HEX", "the whole freshness field (REPORT_DATA, extraData) must be this"},
      {"--policy", "FILE",
       "YAML EvidencePolicy; default: no debug, no migration agent, no SHA-1, no key that nobody vouches for; VMPL, "
       "choice of PCRs and software are then not judged, and the report says so"},
      {"--reference-values", "FILE", "YAML ReferenceValues; software must be among them", true},
      {"--output", "text|json", "default text"},
      {"--help", "", "this text"},
  };
  return *specs;
}

absl::Status AddAttestationKey(const std::string& path, const EvidenceFile& file, verifier::TrustStore& trust) {
  const auto key = verifier::EnrolledKeyFromFile(file.bytes);
  if (!key.ok())
    return absl::InvalidArgumentError(
        absl::StrCat("--attestation-key ", path, ": ", std::string(key.status().message())));
  trust.endorsed_attestation_keys[key->key.spki_sha256()] = {file.name, key->public_area};
  return absl::OkStatus();
}

absl::Status AddTrustAnchor(const std::string& value, verifier::TrustStore& trust) {
  absl::string_view hex = value;
  if (absl::ConsumePrefix(&hex, "sha256:")) {
    const auto digest = FromHex(hex);
    if (!digest.ok() || digest->size() != 32)
      return absl::InvalidArgumentError(absl::StrCat("--trust-anchor ", value, ": expected sha256: and 64 hex digits"));
    trust.anchor_sha256.insert(*digest);
    return absl::OkStatus();
  }
  TWI_ASSIGN_OR_RETURN(const EvidenceFile file, ReadInputFile(value));
  const absl::Status added = verifier::AddTrustAnchorFile(file, trust);
  return added.ok() ? added : absl::InvalidArgumentError(absl::StrCat("--trust-anchor ", std::string(added.message())));
}

absl::Status LoadTrust(const Flags& flags, verifier::TrustStore& trust) {
  for (const std::string& anchor : flags.All("--trust-anchor")) TWI_RETURN_IF_ERROR(AddTrustAnchor(anchor, trust));
  if (!flags.Has("--trust-anchor")) {
    trust.anchor_sha256 = verifier::BuiltinSnpAnchors();
    trust.anchor_sha256.insert(verifier::BuiltinTpmAnchors().begin(), verifier::BuiltinTpmAnchors().end());
  }
  for (const std::string& path : flags.All("--insecure-trust-anchor")) {
    TWI_ASSIGN_OR_RETURN(const EvidenceFile file, ReadInputFile(path));
    verifier::TrustStore development;
    if (absl::Status added = verifier::AddTrustAnchorFile(file, development); !added.ok())
      return absl::InvalidArgumentError(std::string(added.message()));
    trust.insecure_anchors.insert(trust.insecure_anchors.end(), development.anchors.begin(), development.anchors.end());
    trust.intermediates.insert(trust.intermediates.end(), development.intermediates.begin(),
                               development.intermediates.end());
  }
  return absl::OkStatus();
}

absl::Status LoadPolicy(const Flags& flags, OfflineRules& rules) {
  if (flags.Has("--policy")) {
    TWI_ASSIGN_OR_RETURN(const EvidenceFile file, ReadInputFile(flags.Get("--policy")));
    config::v1::EvidencePolicy policy;
    TWI_RETURN_IF_ERROR(config::ParseYaml(file.bytes, file.name, policy));
    TWI_ASSIGN_OR_RETURN(rules.policy, verifier::CompileEvidencePolicy(policy, file.bytes));
  }
  std::vector<config::v1::ReferenceValues> values;
  for (const std::string& path : flags.All("--reference-values")) {
    TWI_ASSIGN_OR_RETURN(const EvidenceFile file, ReadInputFile(path));
    TWI_RETURN_IF_ERROR(config::ParseYaml(file.bytes, file.name, values.emplace_back()));
  }
  if (!values.empty()) {
    TWI_ASSIGN_OR_RETURN(rules.references, verifier::ReferenceValueIndex::Build(values));
  }
  return absl::OkStatus();
}

struct Input {
  EvidenceFile evidence;
  std::vector<EvidenceFile> companions, attestation_keys;
  verifier::EvidenceFormat format = verifier::EvidenceFormat::kAuto;
  bool json = false;
  OfflineRules rules;
};

absl::StatusOr<Input> ReadInput(const Flags& flags) {
  Input input;
  const std::string output = flags.Get("--output", "text"), format = flags.Get("--format", "auto");
  if (output != "text" && output != "json")
    return absl::InvalidArgumentError(absl::StrCat("--output ", output, ": expected text or json"));
  input.json = output == "json";
  if (format != "snp" && format != "tpm" && format != "auto")
    return absl::InvalidArgumentError(absl::StrCat("--format ", format, ": expected snp, tpm or auto"));
  if (format != "auto")
    input.format = format == "snp" ? verifier::EvidenceFormat::kSnp : verifier::EvidenceFormat::kTpm;
  input.rules.now = absl::Now();
  std::string error;
  if (flags.Has("--time") && !absl::ParseTime(absl::RFC3339_full, flags.Get("--time"), &input.rules.now, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("--time ", flags.Get("--time"), ": ", error));
  }
  if (flags.Has("--expect-binding")) {
    TWI_ASSIGN_OR_RETURN(input.rules.expected_binding, FromHex(flags.Get("--expect-binding")));
  }
  TWI_ASSIGN_OR_RETURN(input.evidence, ReadInputFile(flags.Get("--evidence")));
  for (const char* flag : {"--endorsement", "--collateral"}) {
    for (const std::string& path : flags.All(flag)) {
      TWI_ASSIGN_OR_RETURN(std::vector<EvidenceFile> files, ReadInputFiles(path));
      std::move(files.begin(), files.end(), std::back_inserter(input.companions));
    }
  }
  TWI_RETURN_IF_ERROR(LoadTrust(flags, input.rules.trust));
  for (const std::string& path : flags.All("--attestation-key")) {
    TWI_ASSIGN_OR_RETURN(EvidenceFile file, ReadInputFile(path));
    TWI_RETURN_IF_ERROR(AddAttestationKey(path, file, input.rules.trust));
    input.attestation_keys.push_back(std::move(file));
  }
  TWI_RETURN_IF_ERROR(LoadPolicy(flags, input.rules));
  return input;
}

OfflineReport Appraise(Input& input) {
  absl::StatusOr<verifier::LoadedEvidence> loaded =
      verifier::LoadEvidence(input.evidence, input.companions, input.format, input.attestation_keys);
  if (!loaded.ok()) {
    OfflineReport report;
    report.evidence = input.evidence.name;
    report.findings.push_back(LoadFinding(loaded.status()));
    return report;
  }
  const absl::Status endorsements = verifier::AddEndorsementFiles(loaded->companions, input.rules.trust);
  OfflineReport report = AppraiseOffline(*loaded, input.rules);
  if (!endorsements.ok()) {
    report.verdict = verifier::Verdict::kReject;
    report.findings.insert(report.findings.begin(), LoadFinding(endorsements));
  }
  return report;
}

}  // namespace

int RunAppraise(const Args& args) {
  for (const std::string& word : args.words) {
    if (word == "--help") {
      args.out << Usage("appraise", kSummary, Specs());
      return kExitDone;
    }
  }
  const absl::StatusOr<Flags> flags = Flags::Parse(Specs(), args.words);
  if (!flags.ok()) {
    args.err << "twictl appraise: " << flags.status().message() << "\n\n" << Usage("appraise", kSummary, Specs());
    return kExitUsage;
  }
  absl::StatusOr<Input> input = ReadInput(*flags);
  if (!input.ok()) {
    args.err << "twictl appraise: " << PrintableLines(input.status().message()) << "\n";
    return kExitUsage;
  }
  const OfflineReport report = Appraise(*input);
  args.out << (input->json ? ReportJson(report).dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"
                           : ReportText(report));
  args.out.flush();
  if (!args.out) return kExitRefused;  // a verdict that could not be shown is not an acceptance
  return report.verdict == verifier::Verdict::kAccept ? kExitDone : kExitRefused;
}

}  // namespace twi::twictl
