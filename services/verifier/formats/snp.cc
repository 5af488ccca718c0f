#include "services/verifier/formats/snp.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "services/verifier/formats/snp_endorsement.h"
#include "services/verifier/formats/snp_path.h"
#include "services/verifier/formats/snp_path_cache.h"

namespace twi::verifier {
namespace {

constexpr char kKdsSource[] = "AMD 57230, certificate extensions";
constexpr int kMaxCertificates = 8;
constexpr std::size_t kMaxCertificateSize = 16 * 1024;
constexpr std::size_t kCacheCapacity = 4096;

SnpPathCache& Cache() {
  static SnpPathCache* const cache = new SnpPathCache(kCacheCapacity);
  return *cache;
}

Finding Mismatch(absl::string_view claim, absl::string_view seen, absl::string_view expected) {
  return {v1::DENY_REASON_ENDORSEMENT_MISMATCH, std::string(claim), std::string(seen), std::string(expected),
          kKdsSource};
}

// Everything that decides which path is found and whether it holds, except the time: what the Evidence brings and what
// the operator pinned.
std::string CacheKey(const v1::SnpEvidence& evidence, const SnpReport& report, const TrustStore& trust) {
  std::string input =
      absl::StrCat(report.version, "|", report.signing_key(), "|", report.reported_tcb, "|", report.chip_id, "|");
  const auto add = [&input](absl::string_view part) { absl::StrAppend(&input, part.size(), ":", part); };
  for (const std::string& certificate : evidence.certificates()) add(certificate);
  absl::StrAppend(&input, "|anchors|");
  for (const std::string& pin : trust.anchor_sha256) add(pin);
  for (const crypto::Certificate& anchor : trust.anchors) add(anchor.der);
  absl::StrAppend(&input, "|insecure|");
  for (const crypto::Certificate& anchor : trust.insecure_anchors) add(anchor.der);
  absl::StrAppend(&input, "|intermediates|");
  for (const crypto::Certificate& intermediate : trust.intermediates) add(intermediate.der);
  absl::StrAppend(&input, "|crls|");
  for (const crypto::Crl& crl : trust.crls) add(crl.signature);
  return crypto::Sha256(input);
}

std::vector<crypto::Certificate> ParseOffered(const v1::SnpEvidence& evidence, std::vector<Finding>& findings) {
  std::vector<crypto::Certificate> certificates;
  if (evidence.certificates_size() > kMaxCertificates) {
    findings.push_back({v1::DENY_REASON_ENDORSEMENT_MALFORMED, "certificates",
                        absl::StrCat(evidence.certificates_size()), absl::StrCat("at most ", kMaxCertificates),
                        "evidence.proto"});
    return certificates;
  }
  for (int i = 0; i < evidence.certificates_size(); ++i) {
    const std::string& bytes = evidence.certificates(i);
    absl::StatusOr<std::vector<crypto::Certificate>> parsed =
        bytes.size() > kMaxCertificateSize ? Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, "over 16 KiB")
                                           : crypto::ParseCertificates(bytes);
    if (!parsed.ok()) {
      findings.push_back({v1::DENY_REASON_ENDORSEMENT_MALFORMED, absl::StrCat("certificates[", i, "]"),
                          std::string(parsed.status().message()), "certificates, DER or PEM", "RFC 5280"});
      continue;
    }
    certificates.insert(certificates.end(), parsed->begin(), parsed->end());
  }
  return certificates;
}

// HWID is chip_id; on Turin its first 8 bytes, the rest zero (AMD 57230, HWID).
bool HwidIsChipId(const std::string& hwid, const std::string& chip_id) {
  std::string padded = hwid;
  padded.resize(chip_id.size(), '\0');
  return !hwid.empty() && padded == chip_id;
}

bool WantsVlek(const SnpReport& report) {
  return report.signing_key() == static_cast<std::uint32_t>(SnpSigningKey::kVlek);
}

bool Fits(const SnpReport& report, const SnpEndorsement& endorsement) {
  if (endorsement.is_vlek() != WantsVlek(report)) return false;
  if (DecodeSnpTcb(report.reported_tcb, endorsement.product) != endorsement.tcb) return false;
  return endorsement.is_vlek() || HwidIsChipId(endorsement.hwid, report.chip_id);
}

// The VCEK or VLEK among the certificates at hand: the one that fits the report, else the first (so that findings can
// say how it differs).
const crypto::Certificate* ChooseLeaf(const SnpReport& report, const std::vector<crypto::Certificate>& offered,
                                      const std::vector<crypto::Certificate>& configured) {
  const crypto::Certificate* first = nullptr;
  for (const std::vector<crypto::Certificate>* list : {&offered, &configured}) {
    for (const crypto::Certificate& certificate : *list) {
      if (!IsSnpEndorsement(certificate)) continue;
      if (first == nullptr) first = &certificate;
      absl::StatusOr<SnpEndorsement> endorsement = ParseSnpEndorsement(certificate);
      if (endorsement.ok() && Fits(report, *endorsement)) return &certificate;
    }
  }
  return first;
}

void CheckTcb(const SnpTcb& reported, const SnpTcb& certified, std::vector<Finding>& findings) {
  const std::pair<const char*, std::pair<int, int>> parts[] = {{"fmc", {reported.fmc, certified.fmc}},
                                                               {"bl", {reported.bl, certified.bl}},
                                                               {"tee", {reported.tee, certified.tee}},
                                                               {"snp", {reported.snp, certified.snp}},
                                                               {"ucode", {reported.ucode, certified.ucode}}};
  for (const auto& [name, values] : parts) {
    if (values.first == values.second) continue;
    // Above what the certificate vouches for: a claim to be newer than AMD says. Below: another TCB's certificate.
    const DenyReason reason =
        values.first > values.second ? v1::DENY_REASON_TCB_TOO_LOW : v1::DENY_REASON_ENDORSEMENT_MISMATCH;
    findings.push_back({reason, absl::StrCat("reported_tcb.", name), absl::StrCat(values.first),
                        absl::StrCat(values.second, ", the certificate's SPL"), kKdsSource});
  }
}

// Steps 2 and 3: the certificate is of this report.
void CheckEndorsementFits(const SnpReport& report, const SnpVerifiedPath& path, std::vector<Finding>& findings) {
  const SnpEndorsement& endorsement = path.endorsement;
  const std::string kind = endorsement.is_vlek() ? "VLEK" : "VCEK";
  if (endorsement.is_vlek() != WantsVlek(report)) {
    findings.push_back(
        Mismatch("signing_key", WantsVlek(report) ? "VLEK" : "VCEK", absl::StrCat(kind, ", the certificate's kind")));
  }
  const SnpProduct product = SnpProductOf(report);  // kUnknown: version 2, or a finding of its own
  if (product != SnpProduct::kUnknown && product != endorsement.product) {
    findings.push_back(Mismatch("product", SnpProductName(product),
                                absl::StrCat(endorsement.product_name, ", the certificate's productName")));
  }
  CheckTcb(DecodeSnpTcb(report.reported_tcb, endorsement.product), endorsement.tcb, findings);
  const bool chip_id_zero = report.chip_id.find_first_not_of('\0') == std::string::npos;
  if (endorsement.is_vlek() && !chip_id_zero)
    findings.push_back(Mismatch("chip_id", ToHex(report.chip_id), "zero: a VLEK names no chip"));
  if (!endorsement.is_vlek() && !HwidIsChipId(endorsement.hwid, report.chip_id)) {
    findings.push_back(
        Mismatch("chip_id", ToHex(report.chip_id), absl::StrCat(ToHex(endorsement.hwid), ", the certificate's HWID")));
  }
  if (path.leaf.public_key.type() != crypto::KeyType::kP384)
    findings.push_back(Mismatch("certificate.public_key", "not P-384", "ECDSA P-384"));
  const std::string issuer =
      absl::StrCat(endorsement.is_vlek() ? "SEV-VLEK-" : "SEV-", SnpProductName(endorsement.product));
  if (path.insecure) return;
  if (path.leaf.issuer_common_name != issuer)
    findings.push_back(Mismatch("certificate.issuer", path.leaf.issuer_common_name, issuer));
  // Anchors of other formats (a TPM vendor's root) stand in the same TrustStore; a report's path ends in an ARK, or in
  // the ASK when the operator pinned that.
  const std::string ark = absl::StrCat("ARK-", SnpProductName(endorsement.product));
  if (!path.anchor_common_name.empty() && path.anchor_common_name != ark && path.anchor_common_name != issuer) {
    findings.push_back(Mismatch("certificate.anchor", path.anchor_common_name, ark));
  }
}

// Step 5. r and s: 72 bytes each, little endian; P-384 needs 48 of them.
void CheckSignature(absl::string_view report, const crypto::PublicKey& key, std::vector<Finding>& findings) {
  constexpr std::size_t kField = 72, kScalar = 48;
  const auto scalar = [&](std::size_t offset) -> std::string {
    const absl::string_view field = report.substr(offset, kField);
    if (field.substr(kScalar).find_first_not_of('\0') != absl::string_view::npos) return "";
    std::string big_endian(field.substr(0, kScalar));
    std::reverse(big_endian.begin(), big_endian.end());
    return big_endian;
  };
  const std::string r = scalar(kSnpSignedSize), s = scalar(kSnpSignedSize + kField);
  Finding finding{v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "report.signature", "",
                  "ECDSA P-384 with SHA-384 over bytes 0..0x29f", "AMD 56860, signature format"};
  if (r.empty() || s.empty()) {
    finding.seen = "r or s longer than 48 bytes";
  } else if (!key.Verify(crypto::SignatureAlgorithm::kEcdsaP384Sha384Raw, report.substr(0, kSnpSignedSize), r + s)
                  .ok()) {
    finding.seen = "not made by the key of this certificate over these bytes";
  } else {
    return;
  }
  findings.push_back(std::move(finding));
}

// Steps 3 (form) and 4: finds the leaf, reads it, builds its path. nullptr when there is nothing to go on with;
// findings say why.
std::shared_ptr<const SnpVerifiedPath> VerifyPath(const v1::SnpEvidence& evidence, const SnpReport& report,
                                                  const TrustStore& trust, absl::Time now,
                                                  std::vector<Finding>& findings) {
  const std::vector<crypto::Certificate> offered = ParseOffered(evidence, findings);
  const crypto::Certificate* leaf = ChooseLeaf(report, offered, trust.intermediates);
  const std::string kind = WantsVlek(report) ? "VLEK" : "VCEK";
  if (leaf == nullptr) {
    findings.push_back({v1::DENY_REASON_ENDORSEMENT_MISSING, "certificate", "none",
                        absl::StrCat("the ", kind, " of this report"), kKdsSource});
    return nullptr;
  }
  absl::StatusOr<SnpEndorsement> endorsement = ParseSnpEndorsement(*leaf);
  if (!endorsement.ok()) {
    findings.push_back({v1::DENY_REASON_ENDORSEMENT_MALFORMED, "certificate",
                        std::string(endorsement.status().message()), absl::StrCat("a ", kind, " certificate"),
                        kKdsSource});
    return nullptr;
  }
  SnpPath path = VerifySnpPath(*leaf, offered, trust, now, endorsement->is_vlek() ? "vlek" : "vcek");
  findings.insert(findings.end(), path.findings.begin(), path.findings.end());
  const std::string anchor = path.path.empty() ? "" : path.path.back().subject_common_name;
  return std::make_shared<const SnpVerifiedPath>(
      SnpVerifiedPath{*leaf, *std::move(endorsement), anchor, path.insecure, path.not_before, path.not_after});
}

void FillClaims(const SnpReport& report, const SnpVerifiedPath* path, EvidenceClaims& claims) {
  const SnpProduct product = path != nullptr && SnpProductOf(report) == SnpProduct::kUnknown ? path->endorsement.product
                                                                                             : SnpProductOf(report);
  claims.claims = SnpReportClaims(report, product);
  if (path == nullptr) return;
  claims.insecure = path->insecure;
  claims.attestation_key_sha256 = path->leaf.public_key.spki_sha256();
  claims.claims["endorsement"] = {
      {"product_name", path->endorsement.product_name},
      {"issuer", path->leaf.issuer_common_name},
      {"not_after", absl::FormatTime(absl::RFC3339_sec, path->leaf.not_after, absl::UTCTimeZone())}};
  if (path->endorsement.is_vlek()) claims.claims["endorsement"]["csp_id"] = path->endorsement.csp_id;
}

}  // namespace

EvidenceResult VerifySnp(const v1::SnpEvidence& evidence, const TrustStore& trust, absl::Time now) {
  EvidenceResult result;
  result.claims.format = "sev-snp";
  result.claims.claims = nlohmann::json::object();
  const std::string& bytes = evidence.report();
  if (bytes.size() != kSnpReportSize) {
    result.findings.push_back({v1::DENY_REASON_EVIDENCE_MALFORMED, "report", absl::StrCat(bytes.size(), " bytes"),
                               absl::StrCat(kSnpReportSize, " bytes"), "AMD 56860, ATTESTATION_REPORT"});
    return result;
  }
  const SnpReport report = ReadSnpReport(bytes);
  result.findings = CheckSnpReportForm(report, bytes);
  result.claims.freshness = report.report_data;
  result.claims.measurement_key = absl::StrCat("sev-snp:", ToHex(report.measurement));

  const std::string key = CacheKey(evidence, report, trust);
  std::shared_ptr<const SnpVerifiedPath> path = Cache().Find(key, now);
  const bool cached = path != nullptr;
  if (!cached) path = VerifyPath(evidence, report, trust, now, result.findings);
  FillClaims(report, path.get(), result.claims);
  if (path == nullptr) return result;
  CheckEndorsementFits(report, *path, result.findings);
  if (path->leaf.public_key.type() == crypto::KeyType::kP384)
    CheckSignature(bytes, path->leaf.public_key, result.findings);
  if (!cached && result.authentic()) Cache().Put(key, path);
  return result;
}

}  // namespace twi::verifier
