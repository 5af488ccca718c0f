#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/dev_snp/dev_snp.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/verifier/formats/snp.h"
#include "services/workload_agent/attester.h"

namespace twi::agent {
namespace {

using twi::testing::StatusIs;

const absl::Time kNow = absl::FromUnixSeconds(1795262400);

const DevSnpChain& Chain() {
  static const DevSnpChain* chain = [] {
    crypto::SystemRandom random;
    return new DevSnpChain(DevSnpChain::Generate(kNow, random).value());
  }();
  return *chain;
}

class InsecureDevSnpAttesterTest : public ::testing::Test {
 protected:
  InsecureDevSnpAttesterTest() {
    EXPECT_OK(Chain().Write(dir_.File("chain")));
    config_.set_chain_directory(dir_.File("chain"));
    config_.set_image_file(dir_.Write("image", "payroll 1.0"));
    binding_.set_profile(v1::BINDING_PROFILE_TACRA_2);
    binding_.set_nonce("0123456789abcdef");
    binding_.set_target("https://db.example");
    binding_.set_rp_id("https://ca.example");
    binding_.set_subject("subject");
    trust_.insecure_anchors.push_back(crypto::ParseCertificate(Chain().ark_der()).value());
  }
  absl::StatusOr<v1::Evidence> Attest() {
    auto attester = MakeInsecureDevSnpAttester(config_);
    if (!attester.ok()) return attester.status();
    return (*attester)->Attest(binding_);
  }
  verifier::EvidenceResult Verify(const v1::Evidence& evidence) {
    return verifier::VerifySnp(evidence.sev_snp(), trust_, kNow);
  }

  twi::testing::TempDir dir_;
  config::v1::InsecureDevSnpAttester config_;
  v1::Binding binding_;
  verifier::TrustStore trust_;
};

std::string Findings(const verifier::EvidenceResult& result) {
  std::string text;
  for (const verifier::Finding& f : result.findings)
    text += DenyReasonName(f.reason) + " " + f.claim + " seen " + f.seen + " expected " + f.expected + "\n";
  return text;
}

TEST_F(InsecureDevSnpAttesterTest, TheRealVerifierFindsItGenuineAndInsecure) {
  for (const int version : {0, 2, 3, 5}) {
    config_.set_report_version(version);
    ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
    const verifier::EvidenceResult result = Verify(evidence);
    EXPECT_TRUE(result.authentic()) << Findings(result);
    EXPECT_TRUE(result.claims.insecure);
    EXPECT_EQ(result.claims.freshness, BindingValue64(binding_));
    EXPECT_EQ(result.claims.measurement_key, "sev-snp:" + ToHex(crypto::Sha384("payroll 1.0")));
  }
}

TEST_F(InsecureDevSnpAttesterTest, IsRefusedWhereTheChainIsNotNamedInsecure) {
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  trust_.insecure_anchors.clear();
  trust_.anchor_sha256 = verifier::BuiltinSnpAnchors();
  EXPECT_FALSE(Verify(evidence).authentic());
}

TEST_F(InsecureDevSnpAttesterTest, AChangedBitIsFound) {
  ASSERT_OK_AND_ASSIGN(v1::Evidence evidence, Attest());
  (*evidence.mutable_sev_snp()->mutable_report())[0x90] ^= 1;
  EXPECT_FALSE(Verify(evidence).authentic());
}

TEST_F(InsecureDevSnpAttesterTest, ShowsDebugAndVmpl) {
  config_.set_debug(true);
  config_.set_vmpl(2);
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  EXPECT_TRUE(Verify(evidence).authentic());  // genuine; it is policy that refuses
  EXPECT_EQ(evidence.sev_snp().report()[0x30], 2);
  EXPECT_EQ(evidence.sev_snp().report()[0x0A] & 0x08, 0x08);
}

TEST_F(InsecureDevSnpAttesterTest, MeasuresTheImageOnceAsALaunchDoes) {
  auto attester = MakeInsecureDevSnpAttester(config_);
  ASSERT_OK(attester.status());
  dir_.Write("image", "payroll 2.0");
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, (*attester)->Attest(binding_));
  EXPECT_EQ(evidence.sev_snp().report().substr(0x90, 48), crypto::Sha384("payroll 1.0"));
}

TEST_F(InsecureDevSnpAttesterTest, RefusesBadConfig) {
  config_.set_report_version(4);
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config_.set_report_version(3);
  config_.set_vmpl(4);
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config_.set_vmpl(0);
  config_.set_image_file(dir_.File("missing"));
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config_.set_chain_directory(dir_.File("missing"));
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_THAT(MakeAttester(config::v1::Attester()), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(InsecureDevSnpAttesterTest, RefusesAnIncompleteBinding) {
  binding_.clear_nonce();
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CHALLENGE_MISSING));
}

}  // namespace
}  // namespace twi::agent
