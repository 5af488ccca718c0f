// Genuine Evidence that the appraisal policy or the Reference Values refuse: by the real Verifier, whose rules change
// on SIGHUP.
#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "integration_tests/mechanism_fixture.h"

namespace twi::integration {
namespace {

using testing::StatusIs;

class AppraisalTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>(Deployment::Tpm::kSoftware);
    deployment_->Start(kVerifier);
  }
  static void TearDownTestSuite() { deployment_.reset(); }

  // What a test changes is put back, and the Verifier told, when it ends.
  void SetUp() override {
    for (const char* file : kFiles) before_[file] = deployment_->Read(file);
  }
  void TearDown() override {
    bool changed = false;
    for (const auto& [file, content] : before_) {
      if (deployment_->Read(file) == content) continue;
      deployment_->Write(file, content);
      changed = true;
    }
    EXPECT_TRUE(!changed || deployment_->Reload(kVerifier));
  }
  void InForce(const std::string& policy) {
    deployment_->Write("config/evidence_policy.yaml", "id: test\n" + policy);
    ASSERT_TRUE(deployment_->Reload(kVerifier)) << policy;
  }
  absl::Status Snp(const DevSnpReportParams& params = {}) {
    return Send([&](const v1::Binding& binding) { return SnpEvidence(*deployment_, binding, params); });
  }
  absl::Status Tpm() {
    return Send([&](const v1::Binding& binding) { return TpmEvidence(*deployment_, binding); });
  }
  absl::Status Send(const std::function<v1::Evidence(const v1::Binding&)>& attest) {
    const auto challenge = workload_.VerifierChallenge();
    if (!challenge.ok()) return challenge.status();
    v1::AppraiseRequest request;
    *request.mutable_binding() = MakeBinding(challenge->nonce(), requester_.csr);
    *request.mutable_evidence() = attest(request.binding());
    return workload_.Appraise(request).status();
  }
  std::string LastRefusal() { return deployment_->LogLines(kVerifier, "refused").back()["detail"]; }

  static constexpr const char* kFiles[] = {"config/evidence_policy.yaml", "config/reference_values.yaml",
                                           "config/verifier.yaml"};
  inline static std::unique_ptr<Deployment> deployment_;
  std::map<std::string, std::string> before_;
  const Requester requester_;
  Caller workload_ = Caller::Workload(*deployment_);
};

TEST_F(AppraisalTest, ControlIsAccepted) { EXPECT_OK(Snp()); }

TEST_F(AppraisalTest, ControlOfATpmIsAccepted) {
  if (!deployment_->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  EXPECT_OK(Tpm());
}

TEST_F(AppraisalTest, RefusesDebug) {
  DevSnpReportParams params;
  params.policy |= kSnpPolicyDebug;
  EXPECT_THAT(Snp(params), StatusIs(v1::DENY_REASON_DEBUG_ENABLED));
}

TEST_F(AppraisalTest, RefusesAnotherVmpl) {
  for (const std::uint32_t vmpl : {1u, 2u, 3u}) {
    DevSnpReportParams params;
    params.vmpl = vmpl;
    EXPECT_THAT(Snp(params), StatusIs(v1::DENY_REASON_VMPL_NOT_ALLOWED));
  }
}

TEST_F(AppraisalTest, RefusesAMeasurementThatNobodyVouchesFor) {
  DevSnpReportParams params;
  params.measurement = deployment_->Measurement("unauthorized");
  EXPECT_THAT(Snp(params), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  params.measurement = deployment_->Measurement("payroll-1.2.0");
  params.measurement[47] ^= 1;
  EXPECT_THAT(Snp(params), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
}

TEST_F(AppraisalTest, RefusesAMigrationAgent) {
  DevSnpReportParams params;
  params.policy |= 1 << 18;
  EXPECT_THAT(Snp(params), StatusIs(v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED));
}

TEST_F(AppraisalTest, ARefusalNamesEverythingThatWasWrong) {
  DevSnpReportParams params;
  params.policy |= kSnpPolicyDebug;
  params.vmpl = 2;
  params.measurement = deployment_->Measurement("unauthorized");
  EXPECT_THAT(Snp(params), StatusIs(v1::DENY_REASON_DEBUG_ENABLED));
  // The first reason is the refusal's own; its detail does not say it again.
  for (const char* text : {"debug: saw true", "VMPL_NOT_ALLOWED: vmpl: saw 2", "MEASUREMENT_UNKNOWN: measurement: saw"})
    EXPECT_THAT(LastRefusal(), ::testing::HasSubstr(text));
}

TEST_F(AppraisalTest, RefusesAReportVersionThatIsNotKnown) {
  EXPECT_THAT(Send([&](const v1::Binding& binding) {
                v1::Evidence evidence = SnpEvidence(*deployment_, binding);
                (*evidence.mutable_sev_snp()->mutable_report())[0] = 4;
                return evidence;
              }),
              StatusIs(v1::DENY_REASON_EVIDENCE_VERSION_UNSUPPORTED));
}

// The development platform says: Milan, bl 4, snp 22, ucode 213.
TEST_F(AppraisalTest, RefusesATcbThatIsTooLow) {
  InForce("sev_snp: {minimum_tcb: [{product: Milan, bl: 4, snp: 22, ucode: 213}]}\n");
  EXPECT_OK(Snp());
  InForce("sev_snp: {minimum_tcb: [{product: Milan, bl: 4, snp: 23, ucode: 213}]}\n");
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_TCB_TOO_LOW));
  EXPECT_THAT(LastRefusal(), ::testing::HasSubstr("reported_tcb.snp: saw 22, expected at least 23"));
  InForce("sev_snp: {minimum_tcb: [{product: Genoa, snp: 1}]}\n");
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_TCB_TOO_LOW)) << "a product that the list does not name";
}

TEST_F(AppraisalTest, RefusesAGuestPolicyThatPermitsTooMuch) {
  InForce("sev_snp: {forbid_smt: true}\n");
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED));
  InForce(absl::StrCat("sev_snp: {allowed_host_data: [\"", std::string(64, 'a'), "\"]}\n"));
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED));
  DevSnpReportParams params;
  params.host_data = std::string(32, '\xaa');
  EXPECT_OK(Snp(params));
}

TEST_F(AppraisalTest, RefusesWhatAConditionRefuses) {
  InForce("sev_snp: {}\nconditions:\n  - {name: version, expression: 'software.version == \"1.3.0\"'}\n");
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_APPRAISAL_POLICY_REFUSED));
  InForce("sev_snp: {}\nconditions:\n  - {name: version, expression: 'software.version == \"1.2.0\"'}\n");
  EXPECT_OK(Snp());
}

TEST_F(AppraisalTest, AnAbsentFieldIsAnErrorAndNotFalse) {
  InForce("sev_snp: {}\nconditions:\n  - {name: absent, expression: '!(evidence.no_such_claim == true)'}\n");
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_EXPRESSION_FAILED));
}

TEST_F(AppraisalTest, RefusesAFormatThatThePolicyDoesNotName) {
  InForce("tpm2: {pcrs: [0, 1]}\n");
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
}

TEST_F(AppraisalTest, RefusesADevelopmentChainThatTheConfigDoesNotName) {
  deployment_->Edit("config/verifier.yaml",
                    "  insecure_dev_snp_anchor_files: [" + deployment_->File("dev-snp/ark.pem") + "]\n", "");
  ASSERT_TRUE(deployment_->Reload(kVerifier));
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_INSECURE_EVIDENCE_NOT_ALLOWED));
}

TEST_F(AppraisalTest, RefusesAReferenceValuePastItsTime) {
  deployment_->Write("config/reference_values.yaml",
                     absl::StrCat("reference_values:\n  - name: payroll-worker\n    version: 1.2.0\n    vendor: v\n"
                                  "    valid_until: \"2026-01-01T00:00:00Z\"\n    sev_snp_measurement: \"",
                                  ToHex(deployment_->Measurement("payroll-1.2.0")), "\"\n"));
  ASSERT_TRUE(deployment_->Reload(kVerifier));
  EXPECT_THAT(Snp(), StatusIs(v1::DENY_REASON_REFERENCE_VALUE_EXPIRED));
}

TEST_F(AppraisalTest, ABadPolicyLeavesTheOldOneInForce) {
  deployment_->Write("config/evidence_policy.yaml",
                     "id: test\nsev_snp: {}\nconditions:\n  - {name: bad, expression: 'software.version =='}\n");
  EXPECT_FALSE(deployment_->Reload(kVerifier));
  EXPECT_OK(Snp());
  deployment_->Write("config/evidence_policy.yaml", "id: test\nsev_snp: {insecure_alow_debug: true}\n");
  EXPECT_FALSE(deployment_->Reload(kVerifier));
  EXPECT_OK(Snp());
}

TEST_F(AppraisalTest, RefusesATpmWhoseKeyNobodyEndorses) {
  if (!deployment_->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  const std::string config = deployment_->Read("config/verifier.yaml");
  const std::size_t from = config.find("  endorsed_attestation_keys:"), to = config.find("relying_parties:");
  deployment_->Write("config/verifier.yaml", config.substr(0, from) + config.substr(to));
  ASSERT_TRUE(deployment_->Reload(kVerifier));
  EXPECT_THAT(Tpm(), StatusIs(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED));
}

TEST_F(AppraisalTest, RefusesAQuoteOverOtherPcrsThanPolicyDemands) {
  if (!deployment_->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  InForce("tpm2: {pcrs: [0, 1, 2, 3, 4, 5, 7, 14]}\n");
  EXPECT_THAT(Tpm(), StatusIs(v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED));
}

TEST_F(AppraisalTest, RefusesPcrValuesThatNobodyVouchesFor) {
  if (!deployment_->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  std::string values = deployment_->Read("config/reference_values.yaml");
  const std::size_t at = values.find("index: 4, value: \"") + 18;
  values[at] = values[at] == '0' ? '1' : '0';
  deployment_->Write("config/reference_values.yaml", values);
  ASSERT_TRUE(deployment_->Reload(kVerifier));
  EXPECT_THAT(Tpm(), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
}

}  // namespace
}  // namespace twi::integration
