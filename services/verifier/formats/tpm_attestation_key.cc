#include "services/verifier/formats/tpm_attestation_key.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/crypto/hash.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "services/verifier/formats/tpm_claims.h"
#include "services/verifier/formats/tpm_endorsement.h"
#include "services/verifier/formats/tpm_findings.h"

namespace twi::verifier {
namespace {

constexpr int kMaxCertificates = 8;  // evidence.proto
constexpr std::size_t kMaxCertificate = 16 * 1024;
constexpr std::uint16_t kKeyUsageDigitalSignature = 1 << 0;  // RFC 5280 4.2.1.3

// Extended key usages, TCG EK Credential Profile.
constexpr char kTcgEkCertificate[] = "2.23.133.8.1";
constexpr char kTcgAikCertificate[] = "2.23.133.8.3";

// An AK's certificate says tcg-kp-AIKCertificate. Google's real ones do not: their AK certificates have none, or that
// of an EK (vectors tpm/certs/pca-*, gce-cos85-nonce9009). So what is for something else, a TLS server say, is refused,
// and absence is not: that the key is an AK, its public area shows.
bool MayCertifyAnAk(const crypto::Certificate& leaf) {
  const std::vector<std::string>& usages = leaf.extended_key_usage;
  return usages.empty() || std::any_of(usages.begin(), usages.end(), [](const std::string& usage) {
           return usage == kTcgAikCertificate || usage == kTcgEkCertificate;
         });
}

// Step 1, attributes and scheme. An AK that is not restricted also signs what software made up to look like a quote.
void CheckPublicArea(const TpmPublic& area, EvidenceResult* result) {
  const struct {
    std::uint32_t bit;
    bool set;
    const char* name;
  } rules[] = {{kTpmaRestricted, true, "restricted"},
               {kTpmaSign, true, "sign"},
               {kTpmaDecrypt, false, "decrypt"},
               {kTpmaFixedTpm, true, "fixedTPM"}};
  for (const auto& rule : rules) {
    if (((area.attributes & rule.bit) != 0) == rule.set) continue;
    AddFinding(result, v1::DENY_REASON_EVIDENCE_WRONG_TYPE, absl::StrCat("ak.", rule.name), rule.set ? "clear" : "set",
               rule.set ? "set" : "clear");
  }
  const bool fits = area.type == kTpmAlgRsa ? area.scheme == kTpmAlgRsassa || area.scheme == kTpmAlgRsapss
                                            : area.scheme == kTpmAlgEcdsa;
  if (!fits)
    AddFinding(result, v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "ak.scheme", absl::StrFormat("0x%x", area.scheme),
               "RSASSA, RSAPSS or ECDSA");
  if (area.scheme_hash == kTpmAlgSha1) {
    AddFinding(result, v1::DENY_REASON_WEAK_ALGORITHM, "ak.hash", "SHA-1", "SHA-256 or SHA-384");
  } else if (fits && area.scheme_hash != kTpmAlgSha256 && area.scheme_hash != kTpmAlgSha384) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "ak.hash",
               absl::StrFormat("0x%x", area.scheme_hash), "SHA-256 or SHA-384");
  }
}

// Step 5, certificates as sent. False: a finding says what is wrong.
bool ReadCertificates(const v1::TpmEvidence& evidence, std::vector<crypto::Certificate>* certificates,
                      EvidenceResult* result) {
  if (evidence.ak_certificates_size() > kMaxCertificates) {
    AddFinding(result, v1::DENY_REASON_EVIDENCE_MALFORMED, "ak_certificates",
               absl::StrCat(evidence.ak_certificates_size()), "at most 8", "evidence.proto");
    return false;
  }
  for (const std::string& bytes : evidence.ak_certificates()) {
    const auto parsed = bytes.size() <= kMaxCertificate
                            ? crypto::ParseCertificates(bytes)
                            : Deny(v1::DENY_REASON_CERTIFICATE_MALFORMED, absl::StrCat(bytes.size(), " bytes"));
    if (!parsed.ok()) {
      AddFinding(result, v1::DENY_REASON_ENDORSEMENT_MALFORMED, "ak_certificates", parsed.status().message(),
                 "an X.509 certificate", "RFC 5280");
      return false;
    }
    certificates->insert(certificates->end(), parsed->begin(), parsed->end());
  }
  return true;
}

const crypto::Certificate* FindByKey(const std::vector<crypto::Certificate>& certificates,
                                     const crypto::PublicKey& key) {
  const auto found = std::find_if(certificates.begin(), certificates.end(),
                                  [&key](const crypto::Certificate& c) { return c.public_key == key; });
  return found != certificates.end() ? &*found : nullptr;
}

// The operator vouches for the key, and for the whole public area when that was enrolled.
void CheckEnrolled(const AttestationKey& ak, const EndorsedKey& enrolled, EvidenceResult* result) {
  if (!enrolled.public_area.empty() && ak.area.has_value() && ak.area->bytes != enrolled.public_area) {
    return AddFinding(result, v1::DENY_REASON_ENDORSEMENT_MISMATCH, "ak.public_area",
                      ToHex(crypto::Sha256(ak.area->bytes)), ToHex(crypto::Sha256(enrolled.public_area)),
                      absl::StrCat("enrolled public area of ", enrolled.name, " (SHA-256)"));
  }
  if (!enrolled.public_area.empty() && !ak.area.has_value()) {  // a bare key: the enrolled area says what it is
    const auto area = ParseTpmPublic(enrolled.public_area);
    if (!area.ok()) return AddRefusal(result, "ak", area.status(), "a TPMT_PUBLIC, enrolled");
    CheckPublicArea(*area, result);
  }
  result->claims.claims["ak_endorsed_by"] = absl::StrCat("operator: ", enrolled.name);
}

}  // namespace

AttestationKey ReadAttestationKey(const std::string& bytes, EvidenceResult* result) {
  AttestationKey ak;
  // A public area begins with its type or a size of at most 1024, so a DER SEQUENCE is nothing else.
  const bool bare = !bytes.empty() && bytes.front() == '\x30';
  if (!bare) {
    auto area = ParseTpmPublic(bytes);
    if (!area.ok()) {
      AddRefusal(result, "ak", area.status(), "a TPMT_PUBLIC");
      return ak;
    }
    ak.area = *std::move(area);
    AddKeyClaims(*ak.area, &result->claims.claims);
    CheckPublicArea(*ak.area, result);
  }
  auto key = bare ? crypto::PublicKey::FromSpki(bytes) : TpmPublicKey(*ak.area);
  if (!key.ok()) {
    AddRefusal(result, "ak.key", key.status(), "RSA of 2048 bits or more, P-256 or P-384");
    return ak;
  }
  result->claims.attestation_key_sha256 = key->spki_sha256();
  ak.key = *std::move(key);
  return ak;
}

void CheckEndorsement(const v1::TpmEvidence& evidence, const AttestationKey& ak, const TrustStore& trust,
                      absl::Time now, EvidenceResult* result) {
  if (!ak.key.has_value()) return;
  nlohmann::json& claims = result->claims.claims;
  const auto enrolled = trust.endorsed_attestation_keys.find(ak.key->spki_sha256());
  if (enrolled != trust.endorsed_attestation_keys.end()) return CheckEnrolled(ak, enrolled->second, result);
  std::vector<crypto::Certificate> offered;
  if (!ReadCertificates(evidence, &offered, result)) return;
  const crypto::Certificate* leaf = FindByKey(offered, *ak.key);
  if (leaf == nullptr) leaf = FindByKey(trust.intermediates, *ak.key);
  if (leaf == nullptr || !ak.area.has_value()) {
    const bool other_key =
        ak.area.has_value() && std::any_of(offered.begin(), offered.end(), [](const auto& c) { return !c.is_ca; });
    if (other_key)
      return AddFinding(result, v1::DENY_REASON_ENDORSEMENT_MISMATCH, "ak_certificates",
                        "a certificate for another key", "one for the AK", "trust store");
    return AddFinding(result, v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED, "ak", ToHex(ak.key->spki_sha256()),
                      ak.area.has_value() ? "an enrolled key, or an AK certificate"
                                          : "an enrolled key: a bare public key shows no attributes",
                      "trust store");
  }
  if (leaf->key_usage.has_value() && (*leaf->key_usage & kKeyUsageDigitalSignature) == 0) {
    AddFinding(result, v1::DENY_REASON_ENDORSEMENT_MISMATCH, "ak_certificates.key_usage", "no digitalSignature",
               "digitalSignature", "RFC 5280 4.2.1.3");
    return;
  }
  if (!MayCertifyAnAk(*leaf)) {
    AddFinding(result, v1::DENY_REASON_ENDORSEMENT_MISMATCH, "ak_certificates.extended_key_usage",
               absl::StrJoin(leaf->extended_key_usage, ", "),
               absl::StrCat(kTcgAikCertificate, " (tcg-kp-AIKCertificate)"),
               "TCG EK Credential Profile, extended key usage");
    return;
  }
  const auto endorsement = VerifyTpmCertificate(*leaf, offered, trust, now);
  if (!endorsement.ok())
    return AddRefusal(result, "ak_certificates", endorsement.status(), "a path to a pinned anchor");
  claims["ak_endorsed_by"] = absl::StrCat("certificate: ", endorsement->path.back().subject_common_name);
}

}  // namespace twi::verifier
