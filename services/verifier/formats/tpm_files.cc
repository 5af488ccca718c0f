#include "services/verifier/formats/tpm_files.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/x509.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/tpm_containers.h"
#include "services/verifier/formats/tpm_parts.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

constexpr int kMaxCertificates = 8;

using Part = TpmPart;

absl::Status SetOnce(std::string* field, absl::string_view bytes, absl::string_view name) {
  if (!field->empty())
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat(name, ": a second file of its kind"));
  *field = std::string(bytes);
  return absl::OkStatus();
}

// What the files hold, before it becomes Evidence.
struct Parts {
  v1::TpmEvidence evidence;
  std::string bare_key;  // DER SubjectPublicKeyInfo: stands in where no public area was given
};

absl::Status AddPart(Part part, const EvidenceFile& file, Parts* parts) {
  v1::TpmEvidence& evidence = parts->evidence;
  switch (part) {
    case Part::kQuote:
      return SetOnce(evidence.mutable_quote(), file.bytes, file.name);
    case Part::kSignature:
      return SetOnce(evidence.mutable_signature(), file.bytes, file.name);
    case Part::kPublic:
      return SetOnce(evidence.mutable_ak_public(), file.bytes, file.name);
    case Part::kBareKey: {
      TWI_ASSIGN_OR_RETURN(const std::string spki, TpmSpkiFromFile(file.bytes));
      return SetOnce(&parts->bare_key, spki, file.name);
    }
    case Part::kPcrs: {
      if (evidence.pcr_values_size() > 0)
        return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat(file.name, ": a second file of PCR values"));
      TWI_ASSIGN_OR_RETURN(const std::vector<v1::PcrValue> pcrs, ParseTpm2ToolsPcrs(file.bytes));
      for (const v1::PcrValue& pcr : pcrs) *evidence.add_pcr_values() = pcr;
      return absl::OkStatus();
    }
    case Part::kEventLog:
      return SetOnce(evidence.mutable_event_log(), file.bytes, file.name);
    case Part::kCertificates: {
      TWI_ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> certificates, crypto::ParseCertificates(file.bytes));
      for (const crypto::Certificate& certificate : certificates) {
        if (evidence.ak_certificates_size() == kMaxCertificates)
          return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "more than 8 certificates");
        evidence.add_ak_certificates(certificate.der);
      }
      return absl::OkStatus();
    }
    case Part::kUnknown:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

// `main` does not parse: it is what is missing, when that is one thing.
bool TakeForMissing(const EvidenceFile& main, Parts* parts) {
  v1::TpmEvidence& evidence = parts->evidence;
  const bool has_key = !evidence.ak_public().empty() || !parts->bare_key.empty();
  const int missing = evidence.quote().empty() + evidence.signature().empty() + !has_key;
  if (missing != 1) return false;
  if (evidence.quote().empty()) {
    evidence.set_quote(main.bytes);
  } else if (evidence.signature().empty()) {
    evidence.set_signature(main.bytes);
  } else {
    evidence.set_ak_public(main.bytes);
  }
  return true;
}

// What a container leaves out comes from the companions.
absl::Status Complete(const Parts& parts, v1::TpmEvidence* quote) {
  const v1::TpmEvidence& given = parts.evidence;
  if (quote->ak_public().empty()) quote->set_ak_public(given.ak_public().empty() ? parts.bare_key : given.ak_public());
  if (quote->ak_public().empty()) return Deny(v1::DENY_REASON_ENDORSEMENT_MISSING, "no file holds the attestation key");
  if (quote->event_log().empty()) quote->set_event_log(given.event_log());
  if (quote->pcr_values().empty()) *quote->mutable_pcr_values() = given.pcr_values();
  quote->mutable_ak_certificates()->MergeFrom(given.ak_certificates());
  return absl::OkStatus();
}

}  // namespace

bool LooksLikeTpm(absl::string_view bytes, absl::string_view name) {
  switch (TpmPartOf(bytes)) {
    case Part::kQuote:
    case Part::kSignature:
    case Part::kPublic:
    case Part::kPcrs:
      return true;
    case Part::kUnknown:
      break;
    case Part::kBareKey:
    case Part::kEventLog:
    case Part::kCertificates:
      return false;
  }
  if (LooksLikeTpmContainer(bytes)) return true;
  return absl::EndsWith(name, ".tpms_attest") || absl::EndsWith(name, ".tpmt_signature") ||
         absl::EndsWith(name, ".tpmt_public");
}

absl::StatusOr<std::vector<v1::TpmEvidence>> TpmEvidenceFromFiles(const EvidenceFile& main,
                                                                  const std::vector<EvidenceFile>& companions) {
  Parts parts;
  for (const EvidenceFile& file : companions) TWI_RETURN_IF_ERROR(AddPart(TpmPartOf(file.bytes), file, &parts));
  const Part part = TpmPartOf(main.bytes);
  if (part == Part::kUnknown) {
    auto quotes = TpmEvidenceFromContainer(main.bytes);
    if (quotes.ok()) {
      for (v1::TpmEvidence& quote : *quotes) TWI_RETURN_IF_ERROR(Complete(parts, &quote));
      return quotes;
    }
    if (!TakeForMissing(main, &parts)) return WithContext(quotes.status(), main.name);
  } else {
    TWI_RETURN_IF_ERROR(AddPart(part, main, &parts));
  }
  v1::TpmEvidence& evidence = parts.evidence;
  if (evidence.ak_public().empty()) evidence.set_ak_public(parts.bare_key);
  if (evidence.quote().empty()) return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "no file holds a TPMS_ATTEST");
  if (evidence.signature().empty()) return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, "no file holds a TPMT_SIGNATURE");
  if (evidence.ak_public().empty())
    return Deny(v1::DENY_REASON_ENDORSEMENT_MISSING, "no file holds the attestation key");
  return std::vector<v1::TpmEvidence>{std::move(evidence)};
}

absl::StatusOr<EnrolledKey> EnrolledKeyFromFile(absl::string_view bytes) {
  if (const auto area = ParseTpmPublic(bytes); area.ok()) {
    TWI_ASSIGN_OR_RETURN(crypto::PublicKey key, TpmPublicKey(*area));
    return EnrolledKey{std::move(key), area->bytes};
  }
  if (const auto certificates = crypto::ParseCertificates(bytes); certificates.ok() && !certificates->empty())
    return EnrolledKey{certificates->front().public_key, ""};
  TWI_ASSIGN_OR_RETURN(const std::string spki, TpmSpkiFromFile(bytes));
  TWI_ASSIGN_OR_RETURN(crypto::PublicKey key, crypto::PublicKey::FromSpki(spki));
  return EnrolledKey{std::move(key), ""};
}

}  // namespace twi::verifier
