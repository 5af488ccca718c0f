// Each check of appraise_evidence.h: Evidence that passes it, and Evidence that does not.
#include "services/verifier/appraise_evidence.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/encoding/encoding.h"
#include "common/testing/matchers.h"
#include "services/verifier/formats/tpm_builder.h"
#include "services/verifier/testing/snp_builder.h"
#include "services/verifier/testing/verifier_under_test.h"

namespace twi::verifier {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SnpChain;
using ::testing::UnorderedElementsAre;
using ::twi::testing::StatusIs;

constexpr std::size_t kPolicyByte = 0x0a, kVmpl = 0x30, kMeasurement = 0x90, kHostData = 0xc0;

std::vector<DenyReason> Reasons(const Appraisal& appraisal) {
  std::vector<DenyReason> reasons;
  for (const Finding& finding : appraisal.findings) reasons.push_back(finding.reason);
  return reasons;
}

const SnpChain& Chain() {
  static const auto* chain = new SnpChain();
  return *chain;
}

class AppraiseSnpTest : public ::testing::Test {
 protected:
  Appraisal Appraise(const std::string& report, const SnpChain& chain = Chain()) const {
    v1::Evidence evidence;
    *evidence.mutable_sev_snp() = chain.Evidence(report);
    return AppraiseEvidence(evidence, policy_, references_, trust_, now_);
  }
  Appraisal With(std::size_t offset, const std::string& bytes) const {
    return Appraise(Chain().With(Chain().Report(), offset, bytes));
  }
  void Policy(const std::string& more) { policy_ = PolicyFromYaml("id: test\n" + more); }
  void ExpectDenied(const Appraisal& appraisal, DenyReason reason, const std::string& claim) const {
    EXPECT_EQ(appraisal.verdict, Verdict::kDenyPolicy);
    ASSERT_THAT(Reasons(appraisal), ElementsAre(reason));
    EXPECT_EQ(appraisal.findings[0].claim, claim);
    EXPECT_NE(appraisal.status, EarStatus::kAffirming);
    EXPECT_THAT(RefusalOf(appraisal), StatusIs(reason, HasSubstr(claim)));
  }

  CompiledEvidencePolicy policy_ = PolicyFromYaml("id: test\nsev_snp:\n  allowed_vmpl: [0]\n");
  ReferenceValueIndex references_ = ReferencesFromYaml(kPayrollReference);
  TrustStore trust_ = Chain().PinnedByCertificate();
  absl::Time now_ = testing::TestTime();
};

TEST_F(AppraiseSnpTest, AcceptsWhatPolicyAndReferenceValuesKnow) {
  const Appraisal appraisal = Appraise(Chain().Report());
  EXPECT_EQ(appraisal.verdict, Verdict::kAccept);
  EXPECT_THAT(appraisal.findings, IsEmpty());
  EXPECT_EQ(appraisal.status, EarStatus::kAffirming);
  EXPECT_EQ(appraisal.trustworthiness,
            (std::map<std::string, int>{{"configuration", 2}, {"executables", 3}, {"hardware", 2}}));
  ASSERT_TRUE(appraisal.reference.has_value());
  EXPECT_EQ(appraisal.reference->name, "payroll");
  EXPECT_EQ(appraisal.claims.freshness, std::string(64, 'd'));
  EXPECT_THAT(RefusalOf(appraisal), StatusIs(v1::DENY_REASON_INTERNAL)) << "there is nothing to refuse";
}

TEST_F(AppraiseSnpTest, RejectsWhatIsNotGenuineAndJudgesNothingOfIt) {
  std::string report = Chain().Report();
  report[kMeasurement] = 'x';  // not signed again
  const Appraisal appraisal = Appraise(report);
  EXPECT_EQ(appraisal.verdict, Verdict::kReject);
  EXPECT_THAT(Reasons(appraisal), ElementsAre(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID)) << "no MEASUREMENT_UNKNOWN";
  EXPECT_EQ(appraisal.status, EarStatus::kContraindicated);
  EXPECT_FALSE(appraisal.reference.has_value());
}

TEST_F(AppraiseSnpTest, RejectsAnUnpinnedChainAndTruncatedReports) {
  trust_ = TrustStore();
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kReject);
  trust_ = Chain().PinnedByCertificate();
  EXPECT_THAT(Reasons(Appraise(Chain().Report().substr(1))), ElementsAre(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST_F(AppraiseSnpTest, RefusesEvidenceOfNoFormatAndOfOneThatPolicyDoesNotName) {
  const Appraisal unset = AppraiseEvidence(v1::Evidence(), policy_, references_, trust_, now_);
  EXPECT_EQ(unset.verdict, Verdict::kReject);
  EXPECT_THAT(Reasons(unset), ElementsAre(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED));
  Policy("tpm2:\n  pcrs: [0]\n");
  ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, "format");
}

TEST_F(AppraiseSnpTest, DebugOnlyWherePolicySaysInsecureAndNeverAffirming) {
  const std::string debug(1, '\x0b');
  ExpectDenied(With(kPolicyByte, debug), v1::DENY_REASON_DEBUG_ENABLED, "debug");
  Policy("sev_snp:\n  insecure_allow_debug: true\n");
  const Appraisal allowed = With(kPolicyByte, debug);
  EXPECT_EQ(allowed.verdict, Verdict::kAccept);
  EXPECT_EQ(allowed.status, EarStatus::kWarning);
  EXPECT_EQ(allowed.trustworthiness.at("configuration"), 32);
}

TEST_F(AppraiseSnpTest, VmplIsOneThatPolicyNames) {
  const std::string one(1, '\x01');
  ExpectDenied(With(kVmpl, one), v1::DENY_REASON_VMPL_NOT_ALLOWED, "vmpl");
  Policy("sev_snp:\n  allowed_vmpl: [1, 2]\n");
  EXPECT_EQ(With(kVmpl, one).verdict, Verdict::kAccept);
  ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_VMPL_NOT_ALLOWED, "vmpl");
}

TEST_F(AppraiseSnpTest, MigrationAgentOnlyWhenAllowed) {
  const std::string migratable(1, '\x07');
  ExpectDenied(With(kPolicyByte, migratable), v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "migrate_ma");
  Policy("sev_snp:\n  allow_migration_agent: true\n");
  EXPECT_EQ(With(kPolicyByte, migratable).verdict, Verdict::kAccept);
}

TEST_F(AppraiseSnpTest, SmtUnlessForbidden) {
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kAccept);
  Policy("sev_snp:\n  forbid_smt: true\n");
  ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "smt");
  EXPECT_EQ(With(kPolicyByte, "\x02").verdict, Verdict::kAccept);
}

TEST_F(AppraiseSnpTest, SigningKeyIsOneThatPolicyNames) {
  testing::SnpChainOptions options;
  options.vlek = true;
  const SnpChain vlek(options);
  trust_ = vlek.PinnedByCertificate();
  EXPECT_EQ(Appraise(vlek.Report(), vlek).verdict, Verdict::kAccept) << "both by default";
  Policy("sev_snp:\n  allowed_signing_keys: [VCEK]\n");
  ExpectDenied(Appraise(vlek.Report(), vlek), v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "signing_key");
}

TEST_F(AppraiseSnpTest, HostDataIsOneThatPolicyNames) {
  Policy(absl::StrCat("sev_snp:\n  allowed_host_data: [\"", ToHex(std::string(32, 'h')), "\"]\n"));
  EXPECT_EQ(With(kHostData, std::string(32, 'h')).verdict, Verdict::kAccept);
  ExpectDenied(With(kHostData, std::string(31, 'h') + "i"), v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "host_data");
  ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, "host_data");
}

TEST_F(AppraiseSnpTest, MinimumTcbByPartAndByProduct) {
  Policy("sev_snp:\n  minimum_tcb:\n  - {product: Milan, bl: 3, tee: 0, snp: 8, ucode: 209}\n");
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kAccept) << "exactly the minimum";
  for (const auto& [part, minimum] : {std::pair<std::string, std::string>{"bl", "{product: Milan, bl: 4}"},
                                      {"tee", "{product: Milan, tee: 1}"},
                                      {"snp", "{product: Milan, snp: 9}"},
                                      {"ucode", "{product: Milan, ucode: 210}"}}) {
    Policy("sev_snp:\n  minimum_tcb:\n  - " + minimum + "\n");
    ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_TCB_TOO_LOW, "reported_tcb." + part);
  }
  Policy("sev_snp:\n  minimum_tcb:\n  - {product: Genoa, bl: 0}\n");
  ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_TCB_TOO_LOW, "product");
}

TEST_F(AppraiseSnpTest, MinimumTcbOfTurinHasAnFmc) {
  testing::SnpChainOptions options;
  options.product = SnpProduct::kTurin;
  const SnpChain turin(options);
  trust_ = turin.PinnedByCertificate();
  Policy("sev_snp:\n  minimum_tcb:\n  - {product: Turin, fmc: 1}\n");
  EXPECT_EQ(Appraise(turin.Report(5), turin).verdict, Verdict::kAccept);
  Policy("sev_snp:\n  minimum_tcb:\n  - {product: Turin, fmc: 2}\n");
  ExpectDenied(Appraise(turin.Report(5), turin), v1::DENY_REASON_TCB_TOO_LOW, "reported_tcb.fmc");
}

TEST_F(AppraiseSnpTest, UnknownSoftwareIsRefusedOrNeverAffirming) {
  const std::string other(48, 'o');
  const Appraisal refused = With(kMeasurement, other);
  ExpectDenied(refused, v1::DENY_REASON_MEASUREMENT_UNKNOWN, "measurement");
  EXPECT_THAT(refused.findings[0].seen, HasSubstr(ToHex(other)));
  Policy("sev_snp:\n  allowed_vmpl: [0]\ninsecure_accept_unknown_software: true\n");
  const Appraisal accepted = With(kMeasurement, other);
  EXPECT_EQ(accepted.verdict, Verdict::kAccept);
  EXPECT_EQ(accepted.status, EarStatus::kWarning);
  EXPECT_EQ(accepted.trustworthiness.at("executables"), 33);
  EXPECT_FALSE(accepted.reference.has_value());
}

TEST_F(AppraiseSnpTest, ReferenceValuesEnd) {
  const absl::Time until = absl::FromCivil(absl::CivilDay(2030, 1, 1), absl::UTCTimeZone());
  now_ = until - absl::Nanoseconds(1);
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kAccept);
  now_ = until;
  const Appraisal past = Appraise(Chain().Report());
  ExpectDenied(past, v1::DENY_REASON_REFERENCE_VALUE_EXPIRED, "measurement");
  EXPECT_THAT(past.findings[0].expected, HasSubstr("2030-01-01T00:00:00"));
}

TEST_F(AppraiseSnpTest, WithdrawnSoftwareIsRefusedAlsoWhereUnknownSoftwareIsNot) {
  references_ = ReferencesFromYaml(absl::StrCat(kPayrollReference, "  withdrawn: true\n"));
  Policy("sev_snp:\n  allowed_vmpl: [0]\ninsecure_accept_unknown_software: true\n");
  ExpectDenied(Appraise(Chain().Report()), v1::DENY_REASON_REFERENCE_VALUE_EXPIRED, "measurement");
}

TEST_F(AppraiseSnpTest, ARefusedConditionIsNamedWithWhatWasSeen) {
  Policy(
      "sev_snp:\n  allowed_vmpl: [0]\nconditions:\n"
      "- {name: our software, expression: 'software.name == \"payroll\" && evidence.format == \"sev-snp\"'}\n");
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kAccept);
  Policy(
      "sev_snp:\n  allowed_vmpl: [0]\nconditions:\n"
      "- {name: new enough, expression: 'software.version == \"1.3.0\"'}\n"
      "- {name: has a region, expression: 'evidence.region == \"eu\"'}\n");
  const Appraisal refused = Appraise(Chain().Report());
  EXPECT_EQ(refused.verdict, Verdict::kDenyPolicy);
  ASSERT_THAT(Reasons(refused),
              ElementsAre(v1::DENY_REASON_APPRAISAL_POLICY_REFUSED, v1::DENY_REASON_EXPRESSION_FAILED));
  EXPECT_EQ(refused.findings[0].source, "condition new enough");
  EXPECT_THAT(refused.findings[0].seen, HasSubstr("1.2.0"));
  EXPECT_EQ(refused.findings[1].source, "condition has a region");
  EXPECT_THAT(refused.findings[1].seen, HasSubstr("region")) << "an absent field is an error, not false";
  EXPECT_THAT(RefusalOf(refused),
              StatusIs(v1::DENY_REASON_APPRAISAL_POLICY_REFUSED,
                       AllOf(HasSubstr("new enough"), HasSubstr("has a region"), HasSubstr("1.3.0"))));
}

TEST_F(AppraiseSnpTest, AConditionOnUnknownSoftwareFails) {
  Policy(
      "sev_snp:\n  allowed_vmpl: [0]\ninsecure_accept_unknown_software: true\nconditions:\n"
      "- {name: ours, expression: 'software.name != \"theirs\"'}\n");
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kAccept);
  EXPECT_THAT(Reasons(With(kMeasurement, std::string(48, 'o'))), ElementsAre(v1::DENY_REASON_EXPRESSION_FAILED));
}

TEST_F(AppraiseSnpTest, ADevelopmentChainOnlyThroughInsecureAnchors) {
  trust_ = TrustStore();
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kReject);
  trust_.insecure_anchors.push_back(Chain().ark());
  const Appraisal appraisal = Appraise(Chain().Report());
  EXPECT_EQ(appraisal.verdict, Verdict::kAccept);
  EXPECT_TRUE(appraisal.claims.insecure);
  EXPECT_EQ(appraisal.trustworthiness.at("hardware"), -2);
  EXPECT_EQ(ClaimsForResults(appraisal.claims)["insecure"], true);
  Policy("sev_snp:\n  allowed_vmpl: [0]\nconditions:\n- {name: real, expression: evidence.insecure == false}\n");
  EXPECT_EQ(Appraise(Chain().Report()).verdict, Verdict::kDenyPolicy) << "policy may still refuse it";
}

TEST_F(AppraiseSnpTest, AllFindingsAreCollected) {
  Policy(
      "sev_snp:\n  allowed_vmpl: [3]\n  forbid_smt: true\n  minimum_tcb:\n  - {product: Milan, bl: 9, snp: 9}\n"
      "conditions:\n- {name: never, expression: evidence.vmpl == 7}\n");
  const std::string report = Chain().With(Chain().Report(), kPolicyByte, "\x0f");
  const Appraisal appraisal = Appraise(Chain().With(report, kMeasurement, std::string(48, 'o')));
  EXPECT_THAT(Reasons(appraisal),
              ElementsAre(v1::DENY_REASON_DEBUG_ENABLED, v1::DENY_REASON_VMPL_NOT_ALLOWED,
                          v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED, v1::DENY_REASON_GUEST_POLICY_NOT_ALLOWED,
                          v1::DENY_REASON_TCB_TOO_LOW, v1::DENY_REASON_TCB_TOO_LOW, v1::DENY_REASON_MEASUREMENT_UNKNOWN,
                          v1::DENY_REASON_APPRAISAL_POLICY_REFUSED));
  const absl::Status refusal = RefusalOf(appraisal);
  const std::string text(refusal.message());
  EXPECT_THAT(text, ::testing::StartsWith(FindingDetail(appraisal.findings.front()))) << "its reason is the refusal's";
  for (std::size_t i = 1; i < appraisal.findings.size(); ++i)
    EXPECT_THAT(text, HasSubstr("; " + FindingText(appraisal.findings[i])));
}

TEST_F(AppraiseSnpTest, ResultsNameNoMachine) {
  const EvidenceClaims claims = Appraise(Chain().Report()).claims;
  ASSERT_TRUE(claims.claims.contains("chip_id"));
  const nlohmann::json kept = ClaimsForResults(claims);
  for (const char* name :
       {"chip_id", "report_id", "report_id_ma", "report_data", "platform_info", "key_info", "endorsement"}) {
    EXPECT_FALSE(kept.contains(name)) << name;
  }
  EXPECT_EQ(kept["measurement"], ToHex(std::string(48, 'm')));
  EXPECT_EQ(kept["format"], "sev-snp");
  EXPECT_EQ(kept["product"], "Milan");
}

// --- tpm2 ---

class AppraiseTpmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    evidence_ = *BuildTpmEvidence(ak_, std::string(32, 'f'), pcrs_);
    trust_.endorsed_attestation_keys[ak_.public_key().spki_sha256()] = {"rack-7", ""};
    const std::string value = ToHex(std::string(32, 'a'));
    references_ = ReferencesFromYaml(
        absl::StrCat("reference_values:\n- name: payroll\n  version: \"1\"\n  vendor: us\n  valid_until: "
                     "\"2030-01-01T00:00:00Z\"\n  tpm2_pcrs:\n    bank: sha256\n    pcrs:\n    - {index: 0, value: \"",
                     value, "\"}\n    - {index: 7, value: \"", ToHex(std::string(32, 'b')), "\"}\n"));
  }
  Appraisal Appraise() const {
    v1::Evidence evidence;
    *evidence.mutable_tpm2() = evidence_;
    return AppraiseEvidence(evidence, policy_, references_, trust_, testing::TestTime());
  }

  const crypto::PrivateKey ak_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const std::map<std::uint32_t, std::string> pcrs_ = {{0, std::string(32, 'a')}, {7, std::string(32, 'b')}};
  v1::TpmEvidence evidence_;
  CompiledEvidencePolicy policy_ = PolicyFromYaml("id: test\ntpm2:\n  pcrs: [0, 7]\n");
  ReferenceValueIndex references_;
  TrustStore trust_;
};

TEST_F(AppraiseTpmTest, AcceptsTheSelectionThatPolicyDemands) {
  const Appraisal appraisal = Appraise();
  EXPECT_EQ(appraisal.verdict, Verdict::kAccept) << RefusalOf(appraisal);
  EXPECT_EQ(appraisal.status, EarStatus::kAffirming);
  EXPECT_EQ(appraisal.reference->name, "payroll");
}

TEST_F(AppraiseTpmTest, RefusesAnotherSelectionOrBank) {
  for (const char* policy : {"pcrs: [0]", "pcrs: [0, 1, 7]", "bank: sha384\n  pcrs: [0, 7]"}) {
    policy_ = PolicyFromYaml(absl::StrCat("id: test\ntpm2:\n  ", policy, "\n"));
    const Appraisal appraisal = Appraise();
    EXPECT_EQ(appraisal.verdict, Verdict::kDenyPolicy) << policy;
    EXPECT_THAT(Reasons(appraisal), ElementsAre(v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED)) << policy;
  }
}

TEST_F(AppraiseTpmTest, RefusesOtherPcrValues) {
  evidence_ = *BuildTpmEvidence(ak_, "f", {{0, std::string(32, 'a')}, {7, std::string(32, 'x')}});
  EXPECT_THAT(Reasons(Appraise()), ElementsAre(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
}

TEST_F(AppraiseTpmTest, AnAkThatNobodyVouchesForIsABarOfPolicyAmongOthers) {
  trust_ = TrustStore();
  policy_ = PolicyFromYaml("id: test\ntpm2:\n  pcrs: [0]\n");
  const Appraisal appraisal = Appraise();
  EXPECT_EQ(appraisal.verdict, Verdict::kDenyPolicy);
  EXPECT_THAT(Reasons(appraisal), UnorderedElementsAre(v1::DENY_REASON_ATTESTATION_KEY_NOT_ENDORSED,
                                                       v1::DENY_REASON_PCR_SELECTION_NOT_ALLOWED));
}

TEST_F(AppraiseTpmTest, RejectsAChangedQuote) {
  evidence_.set_signature(BuildTpmEvidence(ak_, "other", pcrs_)->signature());
  const Appraisal appraisal = Appraise();
  EXPECT_EQ(appraisal.verdict, Verdict::kReject);
  EXPECT_THAT(Reasons(appraisal), ElementsAre(v1::DENY_REASON_EVIDENCE_SIGNATURE_INVALID));
}

std::string Le(std::uint64_t value, int size) {
  std::string out;
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

// A crypto-agile log with SHA-256 alone (PC Client PFP 10.2): the Spec ID event, then one event for each of `pcrs`.
std::string EventLogOf(const std::vector<std::uint32_t>& pcrs, const std::string& digest) {
  const std::string spec = absl::StrCat(absl::string_view("Spec ID Event03\0", 16), Le(0, 4), Le(0x02000200, 4),
                                        Le(1, 4), Le(kTpmAlgSha256, 2), Le(32, 2), Le(0, 1));
  std::string log = absl::StrCat(Le(0, 4), Le(3, 4), std::string(20, '\0'), Le(spec.size(), 4), spec);
  for (const std::uint32_t pcr : pcrs) {
    absl::StrAppend(&log, Le(pcr, 4), Le(13, 4), Le(1, 4), Le(kTpmAlgSha256, 2), digest, Le(0, 4));
  }
  return log;
}

TEST_F(AppraiseTpmTest, ARequiredEventLogExplainsEveryPcrOfThePolicy) {
  policy_ = PolicyFromYaml(
      "id: test\ntpm2:\n  pcrs: [0, 7]\n  require_event_log: true\ninsecure_accept_unknown_software: true\n");
  const std::string digest(32, 'd');
  const std::string value = crypto::Sha256(absl::StrCat(std::string(32, '\0'), digest));
  evidence_ = *BuildTpmEvidence(ak_, "f", {{0, value}, {7, value}});
  EXPECT_THAT(Reasons(Appraise()), ElementsAre(v1::DENY_REASON_EVENT_LOG_MISMATCH)) << "none";
  evidence_.set_event_log(EventLogOf({}, digest));
  EXPECT_THAT(Reasons(Appraise()), ElementsAre(v1::DENY_REASON_EVENT_LOG_MISMATCH)) << "a log of nothing";
  evidence_.set_event_log(EventLogOf({0}, digest));
  EXPECT_THAT(Reasons(Appraise()), ElementsAre(v1::DENY_REASON_EVENT_LOG_MISMATCH)) << "PCR 7 unexplained";
  evidence_.set_event_log(EventLogOf({0, 7}, digest));
  EXPECT_EQ(Appraise().verdict, Verdict::kAccept);
  evidence_.set_event_log(EventLogOf({0, 7, 7}, digest));
  EXPECT_EQ(Appraise().verdict, Verdict::kReject) << "it does not replay";
}

TEST_F(AppraiseTpmTest, ResultsNameNoMachine) {
  const EvidenceClaims claims = Appraise().claims;
  EXPECT_EQ(claims.claims["ak_endorsed_by"], "operator: rack-7");
  const nlohmann::json kept = ClaimsForResults(claims);
  for (const char* name : {"ak", "ak_name", "qualified_signer", "clock", "reset_count", "restart_count", "nonce"}) {
    EXPECT_FALSE(kept.contains(name)) << name;
  }
  EXPECT_EQ(kept["ak_endorsed_by"], "operator");
  EXPECT_TRUE(kept.contains("pcrs"));
}

}  // namespace
}  // namespace twi::verifier
