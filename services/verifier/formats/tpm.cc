#include "services/verifier/formats/tpm.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/verifier/formats/eventlog.h"
#include "services/verifier/formats/tpm_attestation_key.h"
#include "services/verifier/formats/tpm_claims.h"
#include "services/verifier/formats/tpm_findings.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

constexpr std::size_t kMaxEventLogOnWire = 192 * 1024;  // evidence.proto
constexpr int kMaxPcrValues = 96;

// Step 2, the signature. Whatever keeps it from being verified is a finding that the signature is not valid.
void CheckSignature(const v1::TpmEvidence& evidence, const AttestationKey& ak, const TpmSignature& signature,
                    EvidenceResult* result) {
  if (ak.area.has_value() && signature.algorithm != ak.area->scheme) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature.algorithm",
               absl::StrFormat("0x%x", signature.algorithm), absl::StrFormat("0x%x, the AK's scheme", ak.area->scheme));
    return;
  }
  if (ak.area.has_value() && signature.hash != ak.area->scheme_hash) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature.hash",
               absl::StrFormat("0x%x", signature.hash),
               absl::StrFormat("0x%x, the hash of the AK's scheme", ak.area->scheme_hash));
    return;
  }
  if (!ak.key.has_value()) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature", "not verified",
               "a usable attestation key");
    return;
  }
  const absl::Status verified = VerifyTpmSignature(*ak.key, signature, evidence.quote());
  if (verified.ok()) return;
  AddRefusal(result, "signature", verified, "valid under the attestation key");
  if (DenyReasonOf(verified) != v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature", "not verified",
               "valid under the attestation key");
  }
}

// Step 3, the values: each PCR of the selection once, nothing else. False: a finding says what is wrong.
bool ReadPcrValues(const v1::TpmEvidence& evidence, const TpmQuote& quote, PcrValues* values, EvidenceResult* result) {
  const std::size_t before = result->findings.size();
  if (evidence.pcr_values_size() > kMaxPcrValues) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_MALFORMED, "pcrs", absl::StrCat(evidence.pcr_values_size(), " values"),
               absl::StrCat("at most ", kMaxPcrValues), "evidence.proto");
    return false;
  }
  for (const v1::PcrValue& pcr : evidence.pcr_values()) {
    const TpmHash* hash =
        pcr.hash_algorithm() <= 0xffff ? FindTpmHash(static_cast<std::uint16_t>(pcr.hash_algorithm())) : nullptr;
    const std::string claim = absl::StrCat(
        "pcr.", hash != nullptr ? hash->name : absl::StrFormat("0x%x", pcr.hash_algorithm()), ".", pcr.index());
    const auto bank = std::find_if(quote.selection.begin(), quote.selection.end(),
                                   [&pcr](const PcrSelection& b) { return b.hash == pcr.hash_algorithm(); });
    const bool selected = bank != quote.selection.end() &&
                          std::find(bank->indexes.begin(), bank->indexes.end(), pcr.index()) != bank->indexes.end();
    if (hash == nullptr || !selected) {
      AddFinding(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, claim, "a value", "none: the quote does not select it");
    } else if (pcr.value().size() != hash->size) {
      AddFinding(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, claim, absl::StrCat(pcr.value().size(), " bytes"),
                 absl::StrCat(hash->size, " bytes"));
    } else if (!values->emplace(std::pair(hash->id, pcr.index()), pcr.value()).second) {
      AddFinding(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, claim, "two values", "one");
    }
  }
  for (const PcrSelection& bank : quote.selection) {
    for (const std::uint32_t index : bank.indexes) {
      if (values->count({bank.hash, index}) > 0) continue;
      AddFinding(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, absl::StrFormat("pcr.0x%x.%d", bank.hash, index),
                 "no value", "one: the quote selects it");
    }
  }
  AddPcrClaims(*values, &result->claims.claims);
  return result->findings.size() == before;
}

void SetMeasurementKey(const TpmQuote& quote, absl::string_view digest, EvidenceResult* result) {
  if (quote.selection.size() != 1) return;
  const TpmHash* bank = FindTpmHash(quote.selection[0].hash);
  if (bank == nullptr) return;
  result->claims.measurement_key =
      absl::StrCat("tpm2:", bank->name, ":", absl::StrJoin(quote.selection[0].indexes, ","), ":", ToHex(digest));
}

// Step 3. `scheme_hash` is that of the signing scheme, also for banks of another hash (Part 3, 18.4 TPM2_Quote).
PcrValues CheckPcrs(const v1::TpmEvidence& evidence, const TpmQuote& quote, std::uint16_t scheme_hash,
                    const TpmOptions& options, EvidenceResult* result) {
  PcrValues values;
  if (quote.selection.empty()) {
    AddFinding(result, v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED, "pcr_select", "no PCR",
               "at least one: a quote over none says nothing about the software");
    return values;
  }
  if (evidence.pcr_values().empty() && options.allow_digest_only) {
    if (scheme_hash == kTpmAlgSha256)
      SetMeasurementKey(quote, quote.pcr_digest, result);  // the same digest over the same values
    return values;
  }
  if (!ReadPcrValues(evidence, quote, &values, result)) return values;
  std::string concatenated;
  for (const PcrSelection& bank : quote.selection) {
    for (const std::uint32_t index : bank.indexes) absl::StrAppend(&concatenated, values[{bank.hash, index}]);
  }
  SetMeasurementKey(quote, crypto::Sha256(concatenated), result);
  const TpmHash* hash = FindTpmHash(scheme_hash);
  const std::string digest = hash != nullptr ? crypto::Hash(hash->algorithm, concatenated) : "";
  if (hash == nullptr || digest != quote.pcr_digest) {
    AddFinding(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, "pcr_digest", ToHex(digest), ToHex(quote.pcr_digest),
               "the quote");
  }
  return values;
}

// Step 4.
void CheckEventLog(const std::string& bytes, const TpmQuote& quote, const PcrValues& values, EvidenceResult* result) {
  if (bytes.empty()) return;
  if (bytes.size() > kMaxEventLogOnWire) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_MALFORMED, "event_log", absl::StrCat(bytes.size(), " bytes"),
               "at most 192 KiB", "evidence.proto");
    return;
  }
  const auto log = ParseEventLog(bytes);
  if (!log.ok()) return AddRefusal(result, "event_log", log.status(), "a TCG event log");
  std::map<std::uint16_t, std::vector<std::uint32_t>> replayed;
  for (const PcrSelection& bank : quote.selection) {
    const auto registers = ReplayEventLog(*log, bank.hash);
    if (!registers.ok()) {
      AddRefusal(result, "event_log", registers.status(), "digests for every quoted bank");
      continue;
    }
    for (const auto& [index, value] : *registers) {
      const auto quoted = values.find({bank.hash, index});
      if (quoted == values.end()) continue;  // not quoted: the log says what nobody signed, and we use none of it
      if (quoted->second != value) {
        AddFinding(result, v1::DENY_REASON_EVENT_LOG_MISMATCH,
                   absl::StrFormat("pcr.%s.%d", FindTpmHash(bank.hash)->name, index), ToHex(value),
                   ToHex(quoted->second), "the quote");
      } else {
        replayed[bank.hash].push_back(index);
      }
    }
  }
  AddEventLogClaims(*log, replayed, &result->claims.claims);
}

}  // namespace

EvidenceResult VerifyTpm(const v1::TpmEvidence& evidence, const TrustStore& trust, absl::Time now,
                         const TpmOptions& options) {
  EvidenceResult result;
  result.claims.format = "tpm2";
  result.claims.claims = nlohmann::json::object();

  const AttestationKey ak = ReadAttestationKey(evidence.ak_public(), &result);  // 1

  const auto signature = ParseTpmSignature(evidence.signature());  // 2
  if (!signature.ok()) AddRefusal(&result, "signature", signature.status(), "a TPMT_SIGNATURE");
  const auto quote = ParseTpmQuote(evidence.quote());
  if (!quote.ok()) AddRefusal(&result, "quote", quote.status(), "a TPMS_ATTEST of a quote");
  if (signature.ok()) CheckSignature(evidence, ak, *signature, &result);

  if (quote.ok()) {
    result.claims.freshness = quote->extra_data;
    AddQuoteClaims(*quote, &result.claims.claims);
    const std::uint16_t scheme_hash = ak.area.has_value() ? ak.area->scheme_hash
                                      : signature.ok()    ? signature->hash
                                                          : kTpmAlgNull;
    const PcrValues values = CheckPcrs(evidence, *quote, scheme_hash, options, &result);  // 3
    CheckEventLog(evidence.event_log(), *quote, values, &result);                         // 4
  }
  CheckEndorsement(evidence, ak, trust, now, &result);  // 5
  return result;
}

}  // namespace twi::verifier
