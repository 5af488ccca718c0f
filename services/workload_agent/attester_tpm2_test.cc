// Against a real TPM simulator and the real Verifier's code.
#include <tss2/tss2_esys.h>

#include <chrono>
#include <memory>
#include <thread>

#include "common/binding/binding.h"
#include "common/crypto/hash.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "services/verifier/formats/tpm.h"
#include "services/workload_agent/attester.h"
#include "services/workload_agent/testing/fake_issuer.h"
#include "services/workload_agent/testing/swtpm_process.h"
#include "services/workload_agent/tpm_ak.h"
#include "services/workload_agent/tpm_context.h"

namespace twi::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SwtpmProcess;
using twi::testing::StatusIs;

constexpr std::uint32_t kAkHandle = 0x81010002;
const absl::Time kNow = absl::FromUnixSeconds(1795262400);

class Tpm2AttesterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tpm_ = SwtpmProcess::Start().release();
    if (tpm_ != nullptr) ak_ = new TpmAk(CreateTpmAk(tpm_->tcti(), kAkHandle).value());
  }
  static void TearDownTestSuite() {
    delete tpm_;
    delete ak_;
  }
  void SetUp() override {
    if (tpm_ == nullptr) GTEST_SKIP() << "swtpm is not installed";
    config_.set_tcti(tpm_->tcti());
    config_.set_ak_handle(kAkHandle);
    for (const int pcr : {0, 7, 10}) config_.add_pcrs(pcr);
    binding_.set_profile(v1::BINDING_PROFILE_TACRA_2);
    binding_.set_nonce("0123456789abcdef");
    binding_.set_target("https://db.example");
    binding_.set_rp_id("https://ca.example");
    binding_.set_subject("subject");
    trust_.endorsed_attestation_keys[crypto::Sha256(ak_->spki_der)] = {"test AK", ""};
  }
  absl::StatusOr<v1::Evidence> Attest() {
    auto attester = MakeTpm2Attester(config_);
    if (!attester.ok()) return attester.status();
    return (*attester)->Attest(binding_);
  }
  verifier::EvidenceResult Verify(const v1::Evidence& evidence) {
    return verifier::VerifyTpm(evidence.tpm2(), trust_, kNow);
  }

  static SwtpmProcess* tpm_;
  static TpmAk* ak_;
  config::v1::Tpm2Attester config_;
  v1::Binding binding_;
  verifier::TrustStore trust_;
};
SwtpmProcess* Tpm2AttesterTest::tpm_ = nullptr;
TpmAk* Tpm2AttesterTest::ak_ = nullptr;

std::string Findings(const verifier::EvidenceResult& result) {
  std::string text;
  for (const verifier::Finding& f : result.findings)
    text += DenyReasonName(f.reason) + " " + f.claim + " seen " + f.seen + " expected " + f.expected + "\n";
  return text;
}

TEST_F(Tpm2AttesterTest, TheRealVerifierFindsTheQuoteGenuine) {
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  const verifier::EvidenceResult result = Verify(evidence);
  EXPECT_TRUE(result.authentic()) << Findings(result);
  EXPECT_EQ(result.claims.freshness, BindingValue32(binding_));
  EXPECT_EQ(evidence.tpm2().pcr_values_size(), 3);
  EXPECT_EQ(evidence.tpm2().ak_public(), ak_->tpmt_public);
}

TEST_F(Tpm2AttesterTest, QuotesMorePcrsThanOneReadAnswers) {
  config_.clear_pcrs();
  for (int pcr = 0; pcr < 24; ++pcr) config_.add_pcrs(pcr);
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  EXPECT_EQ(evidence.tpm2().pcr_values_size(), 24);
  const verifier::EvidenceResult result = Verify(evidence);
  EXPECT_TRUE(result.authentic()) << Findings(result);
}

TEST_F(Tpm2AttesterTest, QuotesTheSha384Bank) {
  config_.set_bank("sha384");
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  EXPECT_EQ(evidence.tpm2().pcr_values(0).hash_algorithm(), 0x000Cu);
  EXPECT_EQ(evidence.tpm2().pcr_values(0).value().size(), 48u);
  const verifier::EvidenceResult result = Verify(evidence);
  EXPECT_TRUE(result.authentic()) << Findings(result);
}

TEST_F(Tpm2AttesterTest, SeesAnExtendedPcr) {
  ASSERT_OK_AND_ASSIGN(const v1::Evidence before, Attest());
  {
    ASSERT_OK_AND_ASSIGN(const auto tpm,
                         TpmContext::Open(tpm_->tcti(), std::chrono::steady_clock::now() + std::chrono::minutes(1)));
    TPML_DIGEST_VALUES digests = {};
    digests.count = 1;
    digests.digests[0].hashAlg = TPM2_ALG_SHA256;
    ASSERT_EQ(Esys_PCR_Extend(tpm->esys(), ESYS_TR_PCR10, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digests),
              TSS2_RC_SUCCESS);
  }
  ASSERT_OK_AND_ASSIGN(const v1::Evidence after, Attest());
  EXPECT_NE(before.tpm2().pcr_values(2).value(), after.tpm2().pcr_values(2).value());
  EXPECT_TRUE(Verify(after).authentic());
}

TEST_F(Tpm2AttesterTest, IsRefusedWhereNobodyEndorsedTheAk) {
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  trust_.endorsed_attestation_keys.clear();
  EXPECT_FALSE(Verify(evidence).authentic());
}

TEST_F(Tpm2AttesterTest, OneAttesterServesManyTimes) {
  auto attester = MakeTpm2Attester(config_);
  ASSERT_OK(attester.status());
  for (int i = 0; i < 10; ++i)
    ASSERT_OK((*attester)->Attest(binding_).status());  // nothing is left in a TPM that holds three objects
}

TEST_F(Tpm2AttesterTest, ReadsTheAkAndRefusesToReplaceIt) {
  ASSERT_OK_AND_ASSIGN(const TpmAk read, ReadTpmAk(tpm_->tcti(), kAkHandle));
  EXPECT_EQ(read.spki_der, ak_->spki_der);
  EXPECT_THAT(CreateTpmAk(tpm_->tcti(), kAkHandle), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

TEST_F(Tpm2AttesterTest, RefusesAMissingAkAndAMissingTpm) {
  config_.set_ak_handle(0x81010099);
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  config_.set_ak_handle(kAkHandle);
  config_.set_tcti("swtpm:path=/nonexistent/socket");
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

// A TPM that takes commands and answers none: firmware that hangs, a simulator that is stopped.
TEST_F(Tpm2AttesterTest, ATpmThatDoesNotAnswerIsRefusedInTimeAndUsedAgainWhenItDoes) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Attester> attester, MakeTpm2Attester(config_));
  tpm_->Stop();
  const auto start = std::chrono::steady_clock::now();
  const auto refused = attester->Attest(binding_, absl::Milliseconds(200));
  const auto took = std::chrono::steady_clock::now() - start;
  tpm_->Continue();
  EXPECT_THAT(refused, StatusIs(v1::DENY_REASON_ATTESTER_FAILED, HasSubstr("no answer in time")));
  EXPECT_GE(took, std::chrono::milliseconds(200));
  EXPECT_LT(took, std::chrono::seconds(5));
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, attester->Attest(binding_));
  EXPECT_TRUE(Verify(evidence).authentic());
}

TEST_F(Tpm2AttesterTest, WhoWaitsForTheTpmIsRefusedInTimeToo) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Attester> attester, MakeTpm2Attester(config_));
  tpm_->Stop();
  std::thread first([&] { EXPECT_FALSE(attester->Attest(binding_, absl::Milliseconds(300)).ok()); });
  const auto second = attester->Attest(binding_, absl::Milliseconds(300));
  first.join();
  const auto out_of_time = attester->Attest(binding_, absl::ZeroDuration());
  tpm_->Continue();
  EXPECT_THAT(second, StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  EXPECT_THAT(out_of_time, StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  EXPECT_OK(attester->Attest(binding_).status());
}

TEST_F(Tpm2AttesterTest, ATpmThatGoesAwayIsRefusedAndItsSuccessorUsed) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Attester> attester, MakeTpm2Attester(config_));
  tpm_->Stop();
  absl::StatusOr<v1::Evidence> refused = absl::UnknownError("");
  std::thread waiting([&] { refused = attester->Attest(binding_, absl::Minutes(1)); });
  EXPECT_TRUE(tpm_->Restart());
  waiting.join();  // at once: a connection that breaks is an answer (or it began with the successor, and has its own)
  if (!refused.ok()) {
    EXPECT_THAT(refused, StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
  }
  EXPECT_OK(attester->Attest(binding_).status());
}

TEST_F(Tpm2AttesterTest, SendsTheAksCertificates) {
  const twi::testing::TempDir dir;
  const testing::FakeIssuer issuer(kNow);  // any certificates: what they vouch for is the Verifier's business
  const crypto::Certificate root = issuer.anchors()[0];
  const std::string leaf = issuer.Issue(root.public_key).x509_chain(0);
  config_.add_ak_certificate_files(dir.Write("ak.pem", crypto::CertificateToPem(leaf)));
  config_.add_ak_certificate_files(dir.Write("ca.pem", crypto::CertificateToPem(root.der)));
  ASSERT_OK_AND_ASSIGN(const v1::Evidence evidence, Attest());
  EXPECT_THAT(evidence.tpm2().ak_certificates(), ElementsAre(leaf, root.der));
}

TEST_F(Tpm2AttesterTest, RefusesAkCertificatesThatAreNone) {
  const twi::testing::TempDir dir;
  config_.add_ak_certificate_files(dir.File("missing.pem"));
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  config_.set_ak_certificate_files(
      0, dir.Write("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}

TEST_F(Tpm2AttesterTest, RefusesBadConfig) {
  const auto refused = StatusIs(v1::DENY_REASON_CONFIG_INVALID);
  config_.set_bank("sha1");
  EXPECT_THAT(Attest(), refused);
  config_.clear_bank();
  config_.add_pcrs(24);
  EXPECT_THAT(Attest(), refused);
  config_.clear_pcrs();
  EXPECT_THAT(Attest(), refused);
  config_.add_pcrs(7);
  config_.add_pcrs(7);
  EXPECT_THAT(Attest(), refused);
  config_.mutable_pcrs()->RemoveLast();
  config_.set_tcti("mssim:host=localhost,port=2321");  // no TCTI with a deadline
  EXPECT_THAT(Attest(), refused);
  config_.set_tcti(tpm_->tcti());
  config_.set_ak_handle(0x80000001);
  EXPECT_THAT(Attest(), refused);
}

TEST_F(Tpm2AttesterTest, RefusesAMissingEventLog) {
  config_.set_event_log_file("/nonexistent/log");
  EXPECT_THAT(Attest(), StatusIs(v1::DENY_REASON_ATTESTER_FAILED));
}

}  // namespace
}  // namespace twi::agent
