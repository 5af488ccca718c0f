#include "services/verifier/endorsement_files.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/encoding/encoding.h"
#include "common/snp_cert_table/snp_cert_table.h"
#include "common/status/status_macros.h"
#include "services/verifier/distinguished_name.h"
#include "services/verifier/formats/snp_endorsement.h"
#include "services/verifier/formats/snp_path.h"
#include "services/verifier/formats/tpm_endorsement.h"

namespace twi::verifier {
namespace {

bool IsAmd(const crypto::Certificate& certificate) {
  return IsSnpEndorsement(certificate) || absl::StartsWith(certificate.subject_common_name, "SEV-") ||
         absl::StartsWith(certificate.subject_common_name, "ARK-");
}

// PEM is a text file with the marker at the start of a line; CBOR or JSON that carries such text inside is neither
// certificate nor CRL.
bool IsPem(absl::string_view bytes, const std::string& marker) {
  const bool text = std::all_of(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
  return text && (absl::StartsWith(bytes, marker) || absl::StrContains(bytes, "\n" + marker));
}

bool SelfIssued(const crypto::Certificate& certificate) { return certificate.issuer_der == certificate.subject_der; }

absl::StatusOr<std::vector<crypto::Certificate>> FromTable(const EvidenceFile& file) {
  TWI_ASSIGN_OR_RETURN(const std::vector<SnpCertTableEntry> entries, ParseSnpCertTable(file.bytes));
  std::vector<crypto::Certificate> certificates;
  for (const SnpCertTableEntry& entry : entries) {
    if (entry.what.empty()) continue;
    absl::StatusOr<std::vector<crypto::Certificate>> parsed = crypto::ParseCertificates(entry.data);
    if (!parsed.ok())
      return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED,
                  absl::StrCat("certificate table, ", entry.what, ": ", std::string(parsed.status().message())));
    const bool leaf = entry.what == "VCEK" || entry.what == "VLEK";
    certificates.insert(leaf ? certificates.begin() : certificates.end(), parsed->begin(), parsed->end());
  }
  return certificates;
}

nlohmann::json CertificateClaims(const crypto::Certificate& leaf) {
  nlohmann::json claims = {{"subject", NameToText(leaf.subject_der)},
                           {"issuer", NameToText(leaf.issuer_der)},
                           {"issuer_common_name", leaf.issuer_common_name},
                           {"serial", ToHex(leaf.serial)},
                           {"sha256", ToHex(leaf.sha256())},
                           {"not_before", absl::FormatTime(absl::RFC3339_sec, leaf.not_before, absl::UTCTimeZone())},
                           {"not_after", absl::FormatTime(absl::RFC3339_sec, leaf.not_after, absl::UTCTimeZone())}};
  nlohmann::json extensions = nlohmann::json::object();
  for (const crypto::Extension& extension : leaf.extensions) {
    if (absl::StartsWith(extension.oid, kAmdOidPrefix))
      extensions[std::string(absl::StripPrefix(extension.oid, kAmdOidPrefix))] = ToHex(extension.value);
  }
  if (!extensions.empty()) claims["extensions"] = std::move(extensions);
  return claims;
}

void VerifyAmd(const std::vector<crypto::Certificate>& certificates, const TrustStore& trust, absl::Time now,
               EvidenceResult& result) {
  const crypto::Certificate& leaf = certificates.front();
  if (IsSnpEndorsement(leaf)) {
    absl::StatusOr<SnpEndorsement> endorsement = ParseSnpEndorsement(leaf);
    if (!endorsement.ok()) {
      result.findings.push_back({v1::DENY_REASON_ENDORSEMENT_MALFORMED, "certificate",
                                 std::string(endorsement.status().message()), "a VCEK or VLEK", "AMD 57230"});
    } else if (const std::string issuer =
                   absl::StrCat(endorsement->is_vlek() ? "SEV-VLEK-" : "SEV-", SnpProductName(endorsement->product));
               leaf.issuer_common_name != issuer) {
      result.findings.push_back(
          {v1::DENY_REASON_ENDORSEMENT_MISMATCH, "certificate.issuer", leaf.issuer_common_name, issuer, "AMD 57230"});
    }
  }
  SnpPath path = VerifySnpPath(leaf, certificates, trust, now, "certificate");
  result.claims.insecure = path.insecure;
  std::move(path.findings.begin(), path.findings.end(), std::back_inserter(result.findings));
}

}  // namespace

EndorsementKind EndorsementKindOf(absl::string_view bytes) {
  if (LooksLikeSnpCertTable(bytes)) return EndorsementKind::kSnpCertTable;
  if (IsPem(bytes, "-----BEGIN X509 CRL-----")) return EndorsementKind::kCrl;
  if (IsPem(bytes, "-----BEGIN CERTIFICATE-----")) return EndorsementKind::kCertificates;
  if (!absl::StartsWith(bytes, "\x30")) return EndorsementKind::kNone;
  if (crypto::ParseCertificate(bytes).ok()) return EndorsementKind::kCertificates;
  if (crypto::ParseCrl(bytes).ok()) return EndorsementKind::kCrl;
  if (crypto::PublicKey::FromSpki(bytes).ok()) return EndorsementKind::kNone;
  return absl::StartsWith(bytes, "\x30\x82") || absl::StartsWith(bytes, "\x30\x81") ? EndorsementKind::kCertificates
                                                                                    : EndorsementKind::kNone;
}

absl::StatusOr<std::vector<crypto::Certificate>> CertificatesFromFile(const EvidenceFile& file) {
  absl::StatusOr<std::vector<crypto::Certificate>> certificates =
      EndorsementKindOf(file.bytes) == EndorsementKind::kSnpCertTable ? FromTable(file)
                                                                      : crypto::ParseCertificates(file.bytes);
  if (!certificates.ok())
    return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED,
                absl::StrCat(file.name, ": ", std::string(certificates.status().message())));
  if (certificates->empty())
    return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED, absl::StrCat(file.name, ": no certificate"));
  return certificates;
}

absl::Status AddEndorsementFiles(const std::vector<EvidenceFile>& files, TrustStore& trust) {
  for (const EvidenceFile& file : files) {
    switch (EndorsementKindOf(file.bytes)) {
      case EndorsementKind::kNone:
        break;
      case EndorsementKind::kCertificates:
      case EndorsementKind::kSnpCertTable: {
        TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> certificates, CertificatesFromFile(file));
        trust.intermediates.insert(trust.intermediates.end(), certificates.begin(), certificates.end());
        break;
      }
      case EndorsementKind::kCrl: {
        absl::StatusOr<crypto::Crl> crl = crypto::ParseCrl(file.bytes);
        if (!crl.ok())
          return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED,
                      absl::StrCat(file.name, ": ", std::string(crl.status().message())));
        trust.crls.push_back(*std::move(crl));
        break;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status AddTrustAnchorFile(const EvidenceFile& file, TrustStore& trust) {
  TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> certificates, CertificatesFromFile(file));
  if (certificates.size() == 1) {
    trust.anchors.push_back(certificates.front());
    return absl::OkStatus();
  }
  if (std::none_of(certificates.begin(), certificates.end(), SelfIssued)) {
    return Deny(v1::DENY_REASON_ENDORSEMENT_MALFORMED,
                absl::StrCat(file.name, ": several certificates and no self-issued one among them"));
  }
  for (const crypto::Certificate& certificate : certificates)
    (SelfIssued(certificate) ? trust.anchors : trust.intermediates).push_back(certificate);
  return absl::OkStatus();
}

EvidenceResult VerifyEndorsement(const std::vector<crypto::Certificate>& certificates, const TrustStore& trust,
                                 absl::Time now) {
  EvidenceResult result;
  result.claims.format = "endorsement";
  result.claims.claims = nlohmann::json::object();
  if (certificates.empty()) {
    result.findings.push_back(
        {v1::DENY_REASON_ENDORSEMENT_MISSING, "certificate", "none", "a certificate", "RFC 5280"});
    return result;
  }
  const crypto::Certificate& leaf = certificates.front();
  result.claims.claims = CertificateClaims(leaf);
  if (IsAmd(leaf)) {
    VerifyAmd(certificates, trust, now, result);
    return result;
  }
  absl::StatusOr<TpmEndorsement> path = VerifyTpmCertificate(leaf, certificates, trust, now);
  if (!path.ok()) {
    result.findings.push_back({DenyReasonOf(path.status()), "certificate.path", std::string(path.status().message()),
                               "a valid path to a pinned anchor", "RFC 5280 section 6.1"});
  }
  return result;
}

}  // namespace twi::verifier
