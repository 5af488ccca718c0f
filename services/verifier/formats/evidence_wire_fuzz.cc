// Evidence as it comes over the wire, appraised whole: nothing is accepted but what the corpus' chip and TPM signed,
// and a refusal says why.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/crypto/hash.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/encoding/encoding.h"
#include "proto/twi/config/v1/evidence_policy.pb.h"
#include "services/verifier/appraise_evidence.h"
#include "services/verifier/evidence_policy.h"
#include "services/verifier/formats/snp_report.h"
#include "services/verifier/reference_values.h"

using namespace twi::verifier;

namespace {

namespace config = twi::config::v1;

// Of the corpus: a development ARK, and an attestation key. Their private keys are gone.
constexpr char kArk[] = R"(-----BEGIN CERTIFICATE-----
MIIBlDCCARugAwIBAgIBATAKBggqhkjOPQQDAzAiMSAwHgYDVQQDDBdUV0kgZnV6
eiBBUksgKGluc2VjdXJlKTAgFw0yNTAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAw
MFowIjEgMB4GA1UEAwwXVFdJIGZ1enogQVJLIChpbnNlY3VyZSkwdjAQBgcqhkjO
PQIBBgUrgQQAIgNiAASai0SNyX1omux2QPrkU0VeXMHpgpyUkJkxfTKmz9qU8GiK
mGNhbb46fVJSiryQLCfiJGOIiLrnpH9CcEVrCv2r64ExdJgqJSLo1JT/xLOh2jIV
D+1sbKF88XXjbQiUmBujIzAhMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQD
AgEGMAoGCCqGSM49BAMDA2cAMGQCMFpQHfIVoTyBJIgkHH9pCgQRUJO5IoDsBRUI
GjpQSV8cdVupBvAr6HKFDox8IX4emAIwGUg/lK9QR7jcpWyYXhgCX6/4ZvkoTSCp
WYXwbLK+Ku5GLcXz6yKplUPP6ST1GTuC
-----END CERTIFICATE-----
)";
constexpr char kAttestationKey[] = R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEz21fryW88tAikDhCXh6j00t+7cRD
TJQOl+FrtMOv2WOv1JJKcI8op++VfJrYfLK40E+iCLObkw9bUHQ9zq+vWg==
-----END PUBLIC KEY-----
)";
// SHA-256 of what they signed (the report without its signature; the quote), and of the two whole Evidences.
constexpr char kReport[] = "796bfbcaa4979e698098453bbf8dd851a45d5fce3854cccd7f71825fba3dda2a";
constexpr char kQuote[] = "65c1e6638861683cbccef20c2e64ef97c0fcad1d31db7aba67bbb42c58cc4791";
constexpr char kSeeds[][65] = {"d1964cc02e050313ad3ac23f84084ae24eb31c2d274a5ca0b018440bbca8160b",
                               "f63fb3c939d70c79418f09a6f7aa07c9b7b97d351ef663da2c569147fe2650c2"};
constexpr absl::Time kNow = absl::FromUnixSeconds(1780272000);  // 2026-06-01

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string Digest(absl::string_view bytes) { return twi::ToHex(twi::crypto::Sha256(bytes)); }

struct Rules {
  CompiledEvidencePolicy policy;
  ReferenceValueIndex references;
  TrustStore trust;
};

CompiledEvidencePolicy Policy() {
  config::EvidencePolicy policy;
  policy.set_id("fuzz");
  policy.mutable_sev_snp()->add_allowed_vmpl(0);
  policy.mutable_tpm2()->add_pcrs(0);
  policy.mutable_tpm2()->add_pcrs(7);
  return CompileEvidencePolicy(policy, "fuzz").value();
}

config::ReferenceValue* AddSoftware(config::ReferenceValues& values, const char* name) {
  config::ReferenceValue* value = values.add_reference_values();
  value->set_name(name);
  value->set_version("1");
  value->set_vendor("spiffe://example.org/owner");
  value->mutable_valid_until()->set_seconds(4070908800);
  return value;
}

ReferenceValueIndex References() {
  config::ReferenceValues values;
  AddSoftware(values, "guest")->set_sev_snp_measurement(std::string(48, 'm'));
  config::TpmPcrs* pcrs = AddSoftware(values, "machine")->mutable_tpm2_pcrs();
  pcrs->set_bank("sha256");
  for (const char index : {0, 7}) {
    config::PcrReference* pcr = pcrs->add_pcrs();
    pcr->set_index(index);
    pcr->set_value(std::string(32, static_cast<char>('0' + index)));
  }
  return ReferenceValueIndex::Build({values}).value();
}

TrustStore Trust() {
  TrustStore trust;
  trust.insecure_anchors = twi::crypto::ParseCertificates(kArk).value();
  const auto key = twi::crypto::PublicKey::FromPem(kAttestationKey).value();
  trust.endorsed_attestation_keys[key.spki_sha256()] = {"fuzz", ""};
  return trust;
}

void CheckAccepted(const twi::v1::Evidence& evidence, const Appraisal& appraisal, const Rules& rules) {
  Require(appraisal.findings.empty() && appraisal.reference.has_value());
  Require(rules.references.Find(appraisal.claims.measurement_key) != nullptr);
  Require(appraisal.claims.insecure == evidence.has_sev_snp());
  if (evidence.has_sev_snp()) {
    Require(Digest(absl::string_view(evidence.sev_snp().report()).substr(0, kSnpSignedSize)) == kReport);
    Require(appraisal.claims.freshness == std::string(64, 'd'));
  } else {
    Require(Digest(evidence.tpm2().quote()) == kQuote);
    Require(appraisal.claims.freshness == std::string(32, 'd'));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* const rules = new Rules{Policy(), References(), Trust()};
  twi::v1::Evidence evidence;
  if (!evidence.ParseFromArray(data, static_cast<int>(size))) return 0;
  const Appraisal appraisal = AppraiseEvidence(evidence, rules->policy, rules->references, rules->trust, kNow);
  static_cast<void>(ClaimsForResults(appraisal.claims).dump());  // what is read is valid JSON text
  if (appraisal.verdict == Verdict::kAccept) {
    CheckAccepted(evidence, appraisal, *rules);
    return 0;
  }
  Require(!appraisal.findings.empty() && !RefusalOf(appraisal).ok());
  const std::string seed = Digest(absl::string_view(reinterpret_cast<const char*>(data), size));
  Require(seed != kSeeds[0] && seed != kSeeds[1]);  // the corpus gets as far as it should
  return 0;
}
