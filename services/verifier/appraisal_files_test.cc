#include "services/verifier/appraisal_files.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "common/config/read_file.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/verifier/formats/snp.h"
#include "services/verifier/formats/tpm.h"
#include "services/verifier/formats/tpm_builder.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::verifier {
namespace {

using config::v1::Appraisal;
using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_CONFIG_INVALID;

std::string Sample(const std::string& path) {
  const auto text = config::ReadFile(path, {1 << 20, 0});  // any mode: a checkout's
  EXPECT_OK(text);
  return *text;
}

class AppraisalFilesTest : public ::testing::Test {
 protected:
  AppraisalFilesTest() {
    config_.set_policy_file(dir_.Write("policy.yaml", Sample("config/evidence_policy.yaml")));
    config_.add_reference_value_files(dir_.Write("references.yaml", Sample("config/reference_values/payroll.yaml")));
  }
  void ExpectInvalid(const std::string& file) {
    EXPECT_THAT(LoadAppraisalRules(config_), StatusIs(kInvalid, HasSubstr(file)));
  }

  ::twi::testing::TempDir dir_;
  Appraisal config_;
};

TEST_F(AppraisalFilesTest, TheSamplesLoad) {
  const auto rules = LoadAppraisalRules(config_);
  ASSERT_OK(rules);
  EXPECT_THAT((*rules)->policy.id, HasSubstr("production@sha256:"));
  EXPECT_EQ((*rules)->policy.policy.sev_snp().minimum_tcb_size(), 3);
  EXPECT_EQ((*rules)->references.size(), 2u);
}

TEST_F(AppraisalFilesTest, TheVendorsAnchorsArePinnedUnlessConfigSaysOtherwise) {
  const std::size_t builtin = BuiltinSnpAnchors().size() + BuiltinTpmAnchors().size();
  EXPECT_GE(builtin, 4u);
  EXPECT_EQ((*LoadAppraisalRules(config_))->trust.anchor_sha256.size(), builtin);
  config_.set_no_builtin_trust_anchors(true);
  const auto none = LoadAppraisalRules(config_);
  ASSERT_OK(none);
  EXPECT_TRUE((*none)->trust.anchor_sha256.empty());
  EXPECT_TRUE((*none)->trust.insecure_anchors.empty());
}

TEST_F(AppraisalFilesTest, EachKindOfTrustGoesWhereItBelongs) {
  const testing::SnpChain chain;
  const crypto::PrivateKey ak = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  config_.set_no_builtin_trust_anchors(true);
  config_.add_trust_anchor_sha256(ToHex(std::string(32, 'h')));
  config_.add_trust_anchor_files(dir_.Write("ark.pem", crypto::CertificateToPem(chain.ark().der)));
  config_.add_insecure_dev_snp_anchor_files(dir_.Write("dev.der", chain.ask().der));
  config_.add_intermediate_files(dir_.Write(
      "ask.pem", absl::StrCat(crypto::CertificateToPem(chain.ask().der), crypto::CertificateToPem(chain.leaf().der))));
  auto* pem = config_.add_endorsed_attestation_keys();
  pem->set_name("rack-7");
  pem->set_public_key_file(dir_.Write("ak.pem", ak.public_key().ToPem()));
  auto* area = config_.add_endorsed_attestation_keys();
  area->set_name("rack-8");
  area->set_public_key_file(dir_.Write("ak.pub", WriteTpmPublic(AttestationKeyArea(other.public_key()))));
  const auto rules = LoadAppraisalRules(config_);
  ASSERT_OK(rules);
  const TrustStore& trust = (*rules)->trust;
  EXPECT_EQ(trust.anchor_sha256, std::set<std::string>{std::string(32, 'h')});
  ASSERT_EQ(trust.anchors.size(), 1u);
  EXPECT_EQ(trust.anchors[0].der, chain.ark().der);
  ASSERT_EQ(trust.insecure_anchors.size(), 1u);
  EXPECT_EQ(trust.insecure_anchors[0].der, chain.ask().der);
  EXPECT_EQ(trust.intermediates.size(), 2u);
  ASSERT_EQ(trust.endorsed_attestation_keys.size(), 2u);
  EXPECT_EQ(trust.endorsed_attestation_keys.at(ak.public_key().spki_sha256()).name, "rack-7");
  EXPECT_EQ(trust.endorsed_attestation_keys.at(ak.public_key().spki_sha256()).public_area, "") << "a key alone";
  EXPECT_EQ(trust.endorsed_attestation_keys.at(other.public_key().spki_sha256()).name, "rack-8");
  EXPECT_EQ(trust.endorsed_attestation_keys.at(other.public_key().spki_sha256()).public_area,
            WriteTpmPublic(AttestationKeyArea(other.public_key())));
}

TEST_F(AppraisalFilesTest, RefusesAPolicyThatIsMissingMalformedOrWrong) {
  config_.clear_policy_file();
  ExpectInvalid("appraisal.policy_file");
  config_.set_policy_file(dir_.File("absent.yaml"));
  ExpectInvalid("absent.yaml");
  config_.set_policy_file(dir_.Write("p1.yaml", "id: x\nsev_snp:\n  vmpl: [0]\n"));
  ExpectInvalid("p1.yaml:3");
  config_.set_policy_file(dir_.Write("p2.yaml", "id: x\nsev_snp:\n  allowed_vmpl: [9]\n"));
  ExpectInvalid("p2.yaml");
  config_.set_policy_file(dir_.Write("p3.yaml", Sample("config/evidence_policy.yaml"), 0660));
  ExpectInvalid("p3.yaml");
}

TEST_F(AppraisalFilesTest, RefusesReferenceValuesThatAreMissingMalformedOrContradictory) {
  config_.add_reference_value_files(dir_.File("absent.yaml"));
  ExpectInvalid("absent.yaml");
  config_.set_reference_value_files(1, dir_.Write("r1.yaml", "reference_values: 7\n"));
  ExpectInvalid("r1.yaml");
  config_.set_reference_value_files(1, dir_.Write("r2.yaml", Sample("config/reference_values/payroll.yaml")));
  ExpectInvalid("payroll-worker");
}

TEST_F(AppraisalFilesTest, RefusesEveryTrustFileThatIsNotWhatItShouldBe) {
  const std::string junk = dir_.Write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const std::string empty = dir_.Write("empty.pem", "# nothing\n");
  const std::string key = dir_.Write("key.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
  const std::string bytes = dir_.Write("key.bin", "no TPM wrote this");
  const auto endorsed = [](Appraisal& c, const std::string& name, const std::string& file) {
    auto* key = c.add_endorsed_attestation_keys();
    key->set_name(name);
    key->set_public_key_file(file);
  };
  const std::pair<std::string, std::function<void(Appraisal&)>> faults[] = {
      {junk, [&](Appraisal& c) { c.add_trust_anchor_files(junk); }},
      {empty, [&](Appraisal& c) { c.add_trust_anchor_files(empty); }},
      {junk, [&](Appraisal& c) { c.add_insecure_dev_snp_anchor_files(junk); }},
      {junk, [&](Appraisal& c) { c.add_intermediate_files(junk); }},
      {"nowhere", [&](Appraisal& c) { c.add_intermediate_files("/nowhere"); }},
      {junk, [&](Appraisal& c) { c.add_crl_files(junk); }},
      {"trust_anchor_sha256", [](Appraisal& c) { c.add_trust_anchor_sha256("abcd"); }},
      {"trust_anchor_sha256", [](Appraisal& c) { c.add_trust_anchor_sha256(std::string(64, 'x')); }},
      {key, [&](Appraisal& c) { endorsed(c, "rack-7", key); }},
      {bytes, [&](Appraisal& c) { endorsed(c, "rack-7", bytes); }},
      {"endorsed_attestation_keys[1]",
       [&](Appraisal& c) {
         const std::string good =
             dir_.Write("good.pem", crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().ToPem());
         endorsed(c, "rack-7", good);
         endorsed(c, "rack-8", good);
       }},
      {"name", [&](Appraisal& c) { endorsed(c, "", key); }},
  };
  const Appraisal good = config_;
  for (const auto& [file, fault] : faults) {
    config_ = good;
    fault(config_);
    ExpectInvalid(file);
  }
}

}  // namespace
}  // namespace twi::verifier
