#include "services/verifier/testing/verifier_under_test.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/binding/binding.h"
#include "common/config/load_yaml.h"
#include "common/crypto/hpke.h"

namespace twi::verifier {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "verifier under test: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

template <typename Message>
Message FromYaml(const std::string& document) {
  Message message;
  const absl::Status parsed = config::ParseYaml(document, "test.yaml", message);
  if (!parsed.ok()) OrDie<int>(parsed);
  return message;
}

}  // namespace

const char kPayrollReference[] =
    "reference_values:\n- name: payroll\n  version: 1.2.0\n  vendor: spiffe://test.example/owner/payroll\n"
    "  valid_until: \"2030-01-01T00:00:00Z\"\n  sev_snp_measurement: "
    "\"6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d\"\n";

CompiledEvidencePolicy PolicyFromYaml(const std::string& document) {
  return OrDie(CompileEvidencePolicy(FromYaml<config::v1::EvidencePolicy>(document), document));
}

ReferenceValueIndex ReferencesFromYaml(const std::string& document) {
  return OrDie(ReferenceValueIndex::Build({FromYaml<config::v1::ReferenceValues>(document)}));
}

VerifierUnderTest::VerifierUnderTest(absl::Time now)
    : clock(now), sealer(OrDie(storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'k'))))) {
  database =
      OrDie(storage::Database::Open(dir.File("verifier.db"), {storage::kSigningKeysSchema, kEncryptionKeySchema}));
  results_keys = OrDie(storage::SigningKeys::Load(*database, *sealer, random, "results", {}, now));
  encryption_key = std::make_unique<EncryptionKey>(OrDie(EncryptionKey::Load(*database, *sealer, random)));
  challenges = std::make_unique<Challenges>(Challenges::Options(), random);
  rules = std::make_shared<AppraisalRules>();
  rules->policy = PolicyFromYaml("id: test\nsev_snp:\n  allowed_vmpl: [0]\n");
  rules->references = ReferencesFromYaml(kPayrollReference);
  rules->trust = chain.PinnedByCertificate();
  const std::map<std::string, std::string> parties = {
      {kRpId, kAuthorityId}, {kOtherRpId, kOtherAuthorityId}, {kKeyStoreRpId, ""}};
  deps = std::make_unique<VerifierDeps>(VerifierDeps{clock, random, *challenges, *results_keys, *encryption_key,
                                                     kVerifierId, absl::Minutes(5), parties, [this] { return rules; }});
}

v1::Binding VerifierUnderTest::NewBinding(const std::string& channel, const std::string& subject,
                                          const std::string& rp_id) {
  v1::Binding binding;
  binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
  binding.set_nonce(challenges->Issue(channel, clock.Now()));
  binding.set_target(kTarget);
  binding.set_rp_id(rp_id);
  binding.set_subject(subject);
  return binding;
}

v1::Evidence VerifierUnderTest::EvidenceOver(const v1::Binding& binding) const {
  v1::Evidence evidence;
  *evidence.mutable_sev_snp() = chain.Evidence(chain.With(chain.Report(), 0x50, BindingValue64(binding)));
  return evidence;
}

v1::Evidence VerifierUnderTest::EvidenceWith(const v1::Binding& binding, std::size_t offset,
                                             const std::string& bytes) const {
  v1::Evidence evidence;
  const std::string report = chain.With(chain.Report(), 0x50, BindingValue64(binding));
  *evidence.mutable_sev_snp() = chain.Evidence(chain.With(report, offset, bytes));
  return evidence;
}

v1::EncryptedEvidence VerifierUnderTest::Encrypt(absl::string_view evidence, const v1::Binding& binding) const {
  const crypto::HpkeSealed sealed =
      OrDie(crypto::HpkeSeal(encryption_key->spki(), kEvidenceHpkeInfo, BindingValue64(binding), evidence));
  v1::EncryptedEvidence encrypted;
  encrypted.set_kid(encryption_key->kid());
  encrypted.set_enc(sealed.enc);
  encrypted.set_ciphertext(sealed.ciphertext);
  return encrypted;
}

absl::StatusOr<AttestationResults> VerifierUnderTest::Validate(const std::string& jws, const std::string& rp_id) const {
  ResultsExpectation expectation;
  expectation.audience = rp_id;
  expectation.issuer = kVerifierId;
  expectation.now = clock.Now();
  return ValidateResults(jws, results_keys->Published(clock.Now()), expectation);
}

}  // namespace twi::verifier
