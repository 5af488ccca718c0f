#include "services/verifier/formats/tpm.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/verifier/formats/eventlog.h"
#include "services/verifier/formats/tpm_claims.h"
#include "services/verifier/formats/tpm_endorsement.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

constexpr char kPart2[] = "TCG TPM 2.0 Library, Part 2";
constexpr std::size_t kMaxEventLogOnWire = 192 * 1024;  // evidence.proto
constexpr int kMaxPcrValues = 96;
constexpr int kMaxCertificates = 8;
constexpr std::size_t kMaxCertificate = 16 * 1024;
constexpr std::uint16_t kKeyUsageDigitalSignature = 1 << 0;  // RFC 5280 4.2.1.3

struct AttestationKey {
  std::optional<TpmPublic> area;         // absent: a bare SubjectPublicKeyInfo, or not parsed
  std::optional<crypto::PublicKey> key;  // absent: a finding says why
};

void Add(EvidenceResult* result, DenyReason reason, absl::string_view claim, absl::string_view seen, absl::string_view expected,
         absl::string_view source = kPart2) {
  result->findings.push_back({reason, std::string(claim), std::string(seen), std::string(expected), std::string(source)});
}

void AddStatus(EvidenceResult* result, absl::string_view claim, const absl::Status& status, absl::string_view expected) {
  Add(result, DenyReasonOf(status), claim, status.message(), expected);
}

// Step 1, attributes and scheme. An AK that is not restricted also signs what software made up to look like a quote.
void CheckPublicArea(const TpmPublic& area, EvidenceResult* result) {
  const struct {
    std::uint32_t bit;
    bool set;
    const char* name;
  } rules[] = {{kTpmaRestricted, true, "restricted"}, {kTpmaSign, true, "sign"}, {kTpmaDecrypt, false, "decrypt"}, {kTpmaFixedTpm, true, "fixedTPM"}};
  for (const auto& rule : rules) {
    if (((area.attributes & rule.bit) != 0) == rule.set) continue;
    Add(result, v1::DENY_REASON_EVIDENCE_WRONG_TYPE, absl::StrCat("ak.", rule.name), rule.set ? "clear" : "set", rule.set ? "set" : "clear");
  }
  const bool fits = area.type == kTpmAlgRsa ? area.scheme == kTpmAlgRsassa || area.scheme == kTpmAlgRsapss : area.scheme == kTpmAlgEcdsa;
  if (!fits) Add(result, v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "ak.scheme", absl::StrFormat("0x%x", area.scheme), "RSASSA, RSAPSS or ECDSA");
  if (area.scheme_hash == kTpmAlgSha1) {
    Add(result, v1::DENY_REASON_WEAK_ALGORITHM, "ak.hash", "SHA-1", "SHA-256 or SHA-384");
  } else if (fits && area.scheme_hash != kTpmAlgSha256 && area.scheme_hash != kTpmAlgSha384) {
    Add(result, v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "ak.hash", absl::StrFormat("0x%x", area.scheme_hash), "SHA-256 or SHA-384");
  }
}

// Step 1.
AttestationKey ReadAttestationKey(const std::string& bytes, EvidenceResult* result) {
  AttestationKey ak;
  // A public area begins with its type or a size of at most 1024, so a DER SEQUENCE is nothing else.
  const bool bare = !bytes.empty() && bytes.front() == '\x30';
  if (!bare) {
    auto area = ParseTpmPublic(bytes);
    if (!area.ok()) {
      AddStatus(result, "ak", area.status(), "a TPMT_PUBLIC");
      return ak;
    }
    ak.area = *std::move(area);
    AddKeyClaims(*ak.area, &result->claims.claims);
    CheckPublicArea(*ak.area, result);
  }
  auto key = bare ? crypto::PublicKey::FromSpki(bytes) : TpmPublicKey(*ak.area);
  if (!key.ok()) {
    AddStatus(result, "ak.key", key.status(), "RSA of 2048 bits or more, P-256 or P-384");
    return ak;
  }
  result->claims.attestation_key_sha256 = key->spki_sha256();
  ak.key = *std::move(key);
  return ak;
}

// Step 2, the signature. Whatever keeps it from being verified is a finding that the signature is not valid.
void CheckSignature(const v1::TpmEvidence& evidence, const AttestationKey& ak, const TpmSignature& signature, EvidenceResult* result) {
  if (ak.area.has_value() && signature.algorithm != ak.area->scheme) {
    Add(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature.algorithm", absl::StrFormat("0x%x", signature.algorithm),
        absl::StrFormat("0x%x, the AK's scheme", ak.area->scheme));
    return;
  }
  if (ak.area.has_value() && signature.hash != ak.area->scheme_hash) {
    Add(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature.hash", absl::StrFormat("0x%x", signature.hash),
        absl::StrFormat("0x%x, the hash of the AK's scheme", ak.area->scheme_hash));
    return;
  }
  if (!ak.key.has_value()) {
    Add(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature", "not verified", "a usable attestation key");
    return;
  }
  const absl::Status verified = VerifyTpmSignature(*ak.key, signature, evidence.quote());
  if (verified.ok()) return;
  AddStatus(result, "signature", verified, "valid under the attestation key");
  if (DenyReasonOf(verified) != v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID) {
    Add(result, v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID, "signature", "not verified", "valid under the attestation key");
  }
}

// Step 3, the values: each PCR of the selection once, nothing else. False: a finding says what is wrong.
bool ReadPcrValues(const v1::TpmEvidence& evidence, const TpmQuote& quote, PcrValues* values, EvidenceResult* result) {
  const std::size_t before = result->findings.size();
  if (evidence.pcr_values_size() > kMaxPcrValues) {
    Add(result, v1::DENY_REASON_EVIDENCE_MALFORMED, "pcrs", absl::StrCat(evidence.pcr_values_size(), " values"), absl::StrCat("at most ", kMaxPcrValues),
        "evidence.proto");
    return false;
  }
  for (const v1::PcrValue& pcr : evidence.pcr_values()) {
    const TpmHash* hash = pcr.hash_algorithm() <= 0xffff ? FindTpmHash(static_cast<std::uint16_t>(pcr.hash_algorithm())) : nullptr;
    const std::string claim = absl::StrCat("pcr.", hash != nullptr ? hash->name : absl::StrFormat("0x%x", pcr.hash_algorithm()), ".", pcr.index());
    const auto bank = std::find_if(quote.selection.begin(), quote.selection.end(), [&pcr](const PcrSelection& b) { return b.hash == pcr.hash_algorithm(); });
    const bool selected = bank != quote.selection.end() && std::find(bank->indexes.begin(), bank->indexes.end(), pcr.index()) != bank->indexes.end();
    if (hash == nullptr || !selected) {
      Add(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, claim, "a value", "none: the quote does not select it");
    } else if (pcr.value().size() != hash->size) {
      Add(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, claim, absl::StrCat(pcr.value().size(), " bytes"), absl::StrCat(hash->size, " bytes"));
    } else if (!values->emplace(std::pair(hash->id, pcr.index()), pcr.value()).second) {
      Add(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, claim, "two values", "one");
    }
  }
  for (const PcrSelection& bank : quote.selection) {
    for (const std::uint32_t index : bank.indexes) {
      if (values->count({bank.hash, index}) > 0) continue;
      Add(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, absl::StrFormat("pcr.0x%x.%d", bank.hash, index), "no value", "one: the quote selects it");
    }
  }
  AddPcrClaims(*values, &result->claims.claims);
  return result->findings.size() == before;
}

void SetMeasurementKey(const TpmQuote& quote, absl::string_view digest, EvidenceResult* result) {
  if (quote.selection.size() != 1) return;
  const TpmHash* bank = FindTpmHash(quote.selection[0].hash);
  if (bank == nullptr) return;
  result->claims.measurement_key = absl::StrCat("tpm2:", bank->name, ":", absl::StrJoin(quote.selection[0].indexes, ","), ":", ToHex(digest));
}

// Step 3. `scheme_hash` is that of the signing scheme, also for banks of another hash (Part 3, 18.4 TPM2_Quote).
PcrValues CheckPcrs(const v1::TpmEvidence& evidence, const TpmQuote& quote, std::uint16_t scheme_hash, const TpmOptions& options, EvidenceResult* result) {
  PcrValues values;
  if (quote.selection.empty()) {
    Add(result, v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED, "pcr_select", "no PCR", "at least one: a quote over none says nothing about the software");
    return values;
  }
  if (evidence.pcr_values().empty() && options.allow_digest_only) {
    if (scheme_hash == kTpmAlgSha256) SetMeasurementKey(quote, quote.pcr_digest, result);  // the same digest over the same values
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
    Add(result, v1::DENY_REASON_PCR_DIGEST_MISMATCH, "pcr_digest", ToHex(digest), ToHex(quote.pcr_digest), "the quote");
  }
  return values;
}

// Step 4.
void CheckEventLog(const std::string& bytes, const TpmQuote& quote, const PcrValues& values, EvidenceResult* result) {
  if (bytes.empty()) return;
  if (bytes.size() > kMaxEventLogOnWire) {
    Add(result, v1::DENY_REASON_EVIDENCE_MALFORMED, "event_log", absl::StrCat(bytes.size(), " bytes"), "at most 192 KiB", "evidence.proto");
    return;
  }
  const auto log = ParseEventLog(bytes);
  if (!log.ok()) return AddStatus(result, "event_log", log.status(), "a TCG event log");
  std::map<std::uint16_t, std::vector<std::uint32_t>> replayed;
  for (const PcrSelection& bank : quote.selection) {
    const auto registers = ReplayEventLog(*log, bank.hash);
    if (!registers.ok()) {
      AddStatus(result, "event_log", registers.status(), "digests for every quoted bank");
      continue;
    }
    for (const auto& [index, value] : *registers) {
      const auto quoted = values.find({bank.hash, index});
      if (quoted == values.end()) continue;  // not quoted: the log says what nobody signed, and we use none of it
      if (quoted->second != value) {
        Add(result, v1::DENY_REASON_EVENT_LOG_MISMATCH, absl::StrFormat("pcr.%s.%d", FindTpmHash(bank.hash)->name, index), ToHex(value), ToHex(quoted->second),
            "the quote");
      } else {
        replayed[bank.hash].push_back(index);
      }
    }
  }
  AddEventLogClaims(*log, replayed, &result->claims.claims);
}

// Step 5, certificates as sent. False: a finding says what is wrong.
bool ReadCertificates(const v1::TpmEvidence& evidence, std::vector<crypto::Certificate>* certificates, EvidenceResult* result) {
  if (evidence.ak_certificates_size() > kMaxCertificates) {
    Add(result, v1::DENY_REASON_EVIDENCE_MALFORMED, "ak_certificates", absl::StrCat(evidence.ak_certificates_size()), "at most 8", "evidence.proto");
    return false;
  }
  for (const std::string& bytes : evidence.ak_certificates()) {
    const auto parsed = bytes.size() <= kMaxCertificate ? crypto::ParseCertificates(bytes)
                                                        : Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED, absl::StrCat(bytes.size(), " bytes"));
    if (!parsed.ok()) {
      Add(result, v1::DENY_REASON_ENDORSEMENT_MALFORMED, "ak_certificates", parsed.status().message(), "an X.509 certificate", "RFC 5280");
      return false;
    }
    certificates->insert(certificates->end(), parsed->begin(), parsed->end());
  }
  return true;
}

const crypto::Certificate* FindByKey(const std::vector<crypto::Certificate>& certificates, const crypto::PublicKey& key) {
  const auto found = std::find_if(certificates.begin(), certificates.end(), [&key](const crypto::Certificate& c) { return c.public_key == key; });
  return found != certificates.end() ? &*found : nullptr;
}

// Step 5.
void CheckEndorsement(const v1::TpmEvidence& evidence, const AttestationKey& ak, const TrustStore& trust, absl::Time now, EvidenceResult* result) {
  if (!ak.key.has_value()) return;
  nlohmann::json& claims = result->claims.claims;
  const auto enrolled = trust.endorsed_attestation_keys.find(ak.key->spki_sha256());
  if (enrolled != trust.endorsed_attestation_keys.end()) {
    claims["ak_endorsed_by"] = absl::StrCat("operator: ", enrolled->second);
    return;
  }
  std::vector<crypto::Certificate> offered;
  if (!ReadCertificates(evidence, &offered, result)) return;
  const crypto::Certificate* leaf = FindByKey(offered, *ak.key);
  if (leaf == nullptr) leaf = FindByKey(trust.intermediates, *ak.key);
  if (leaf == nullptr || !ak.area.has_value()) {
    const bool other_key = ak.area.has_value() && std::any_of(offered.begin(), offered.end(), [](const auto& c) { return !c.is_ca; });
    if (other_key) return Add(result, v1::DENY_REASON_ENDORSEMENT_MISMATCH, "ak_certificates", "a certificate for another key", "one for the AK", "trust store");
    return Add(result, v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED, "ak", ToHex(ak.key->spki_sha256()),
               ak.area.has_value() ? "an enrolled key, or an AK certificate" : "an enrolled key: a bare public key shows no attributes", "trust store");
  }
  if (leaf->key_usage.has_value() && (*leaf->key_usage & kKeyUsageDigitalSignature) == 0) {
    Add(result, v1::DENY_REASON_ENDORSEMENT_MISMATCH, "ak_certificates.key_usage", "no digitalSignature", "digitalSignature", "RFC 5280 4.2.1.3");
    return;
  }
  const auto endorsement = VerifyTpmCertificate(*leaf, offered, trust, now);
  if (!endorsement.ok()) return AddStatus(result, "ak_certificates", endorsement.status(), "a path to a pinned anchor");
  claims["ak_endorsed_by"] = absl::StrCat("certificate: ", endorsement->path.back().subject_common_name);
  result->claims.insecure = endorsement->insecure;
}

}  // namespace

EvidenceResult VerifyTpm(const v1::TpmEvidence& evidence, const TrustStore& trust, absl::Time now, const TpmOptions& options) {
  EvidenceResult result;
  result.claims.format = "tpm2";
  result.claims.claims = nlohmann::json::object();

  const AttestationKey ak = ReadAttestationKey(evidence.ak_public(), &result);  // 1

  const auto signature = ParseTpmSignature(evidence.signature());  // 2
  if (!signature.ok()) AddStatus(&result, "signature", signature.status(), "a TPMT_SIGNATURE");
  const auto quote = ParseTpmQuote(evidence.quote());
  if (!quote.ok()) AddStatus(&result, "quote", quote.status(), "a TPMS_ATTEST of a quote");
  if (signature.ok()) CheckSignature(evidence, ak, *signature, &result);

  if (quote.ok()) {
    result.claims.freshness = quote->extra_data;
    AddQuoteClaims(*quote, &result.claims.claims);
    const std::uint16_t scheme_hash = ak.area.has_value() ? ak.area->scheme_hash : signature.ok() ? signature->hash : kTpmAlgNull;
    const PcrValues values = CheckPcrs(evidence, *quote, scheme_hash, options, &result);  // 3
    CheckEventLog(evidence.event_log(), *quote, values, &result);                          // 4
  }
  CheckEndorsement(evidence, ak, trust, now, &result);  // 5
  return result;
}

}  // namespace twi::verifier
