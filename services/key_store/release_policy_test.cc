#include "services/key_store/release_policy.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/anticipated_results/anticipated_results.h"
#include "common/cel/value.h"
#include "common/config/read_file.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::key_store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_RELEASE_POLICY_INVALID;
constexpr auto kRefused = v1::DENY_REASON_RELEASE_POLICY_REFUSED;

std::string One(const std::string& expression) {
  return absl::StrCat("conditions:\n- name: c\n  expression: '", expression, "'\n");
}

AttestationResults Payroll() {
  AttestationResults r;
  r.status = EarStatus::kAffirming;
  r.software = {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", "spiffe://example.org/owner/payroll"}};
  r.attester_claims = {{"format", "sev-snp"}, {"measurement", "aa"}, {"pcrs", {{"sha256", {{"7", "bb"}}}}}};
  return r;
}

absl::Status Match(const std::string& expression) {
  const absl::StatusOr<ReleasePolicy> policy = ReleasePolicy::Compile(One(expression));
  return policy.ok() ? policy->Match(Payroll()) : policy.status();
}

TEST(ReleasePolicyTest, HoldsForTheSoftwareItPins) {
  EXPECT_OK(Match(R"(results.software.name == "payroll" && results.software.version.startsWith("1."))"));
  EXPECT_OK(Match(R"(results.software.name in ["payroll", "payroll-worker"])"));
  EXPECT_OK(Match(R"("aa" == results.attester.measurement)"));
  EXPECT_OK(Match(R"(results.attester.pcrs.sha256["7"] == "bb")"));
}

TEST(ReleasePolicyTest, OnePinAmongConditionsIsEnough) {
  const auto policy = ReleasePolicy::Compile(
      "description: who may\nconditions:\n- name: trusted\n  expression: results.status == \"affirming\"\n- name: "
      "which\n  expression: results.software.name == \"payroll\"\n");
  ASSERT_OK(policy);
  EXPECT_OK(policy->Match(Payroll()));
}

TEST(ReleasePolicyTest, RefusalNamesEveryFailedCondition) {
  const auto policy = ReleasePolicy::Compile(
      "conditions:\n- name: which\n  expression: results.software.name == \"ledger\"\n- name: version\n  expression: "
      "results.software.version == \"2.0.0\"\n"
      "- name: status\n  expression: results.status == \"affirming\"\n");
  ASSERT_OK(policy);
  EXPECT_THAT(policy->Match(Payroll()),
              StatusIs(kRefused, AllOf(HasSubstr("which"), HasSubstr("\"payroll\""), HasSubstr("\"ledger\""),
                                       HasSubstr("2.0.0"), ::testing::Not(HasSubstr("status:")))));
}

TEST(ReleasePolicyTest, UnknownSoftwareIsRefusedNotAccepted) {
  AttestationResults unknown = Payroll();
  unknown.software = nullptr;
  const auto policy = ReleasePolicy::Compile(One(R"(results.software.name == "payroll")"));
  ASSERT_OK(policy);
  EXPECT_THAT(policy->Match(unknown), StatusIs(kRefused));
}

TEST(ReleasePolicyTest, AnAbsentClaimIsRefused) {
  EXPECT_THAT(Match(R"(results.attester.host_data == "00")"), StatusIs(kRefused));
}

TEST(ReleasePolicyTest, RefusesAPolicyThatAnyAttestedWorkloadMeets) {
  for (const char* expression : {R"(results.status == "affirming")", "true", R"(results.attester.format == "sev-snp")",
                                 R"(results.attester.vmpl == 0)", R"(results.software.vendor == "v")",
                                 R"(results.software.name != "")", R"(results.software.name == "payroll" || true)",
                                 R"(!(results.software.name == "x"))", "results.software.name == results.software.name",
                                 "results.software.name in []", R"(results.software.name.startsWith("p"))"}) {
    EXPECT_THAT(ReleasePolicy::Compile(One(expression)), StatusIs(kInvalid, HasSubstr("pins the software")))
        << expression;
  }
}

TEST(ReleasePolicyTest, RefusesWhatNoResultsCarry) {
  EXPECT_THAT(ReleasePolicy::Compile(One(R"(results.sofware.name == "payroll")")),
              StatusIs(kInvalid, AllOf(HasSubstr("\"c\""), HasSubstr("1:1: "))));
  EXPECT_THAT(ReleasePolicy::Compile(One(R"(evidence.measurement == "aa")")), StatusIs(kInvalid));
  EXPECT_THAT(ReleasePolicy::Compile(One(R"(results.software.name)")), StatusIs(kInvalid));
}

TEST(ReleasePolicyTest, RefusesABadDocumentWithLineAndColumn) {
  EXPECT_THAT(ReleasePolicy::Compile("conditions:\n- nam: c\n"), StatusIs(kInvalid, HasSubstr("release_policy:2:3")));
  EXPECT_THAT(ReleasePolicy::Compile("conditions: [}"), StatusIs(kInvalid, HasSubstr("release_policy:1")));
  EXPECT_THAT(ReleasePolicy::Compile("description: x\n"), StatusIs(kInvalid, HasSubstr("at least one")));
  EXPECT_THAT(ReleasePolicy::Compile(""), StatusIs(kInvalid));
  EXPECT_THAT(ReleasePolicy::Compile(std::string(ReleasePolicy::kMaxDocument + 1, ' ')), StatusIs(kInvalid));
}

TEST(ReleasePolicyTest, RefusesDuplicateAndNamelessConditions) {
  const std::string condition = "- name: c\n  expression: results.software.name == \"payroll\"\n";
  EXPECT_THAT(ReleasePolicy::Compile("conditions:\n" + condition + condition), StatusIs(kInvalid, HasSubstr("twice")));
  EXPECT_THAT(ReleasePolicy::Compile("conditions:\n- expression: results.software.name == \"payroll\"\n"),
              StatusIs(kInvalid, HasSubstr("no name")));
}

TEST(ReleasePolicyTest, PinsWhatAnEqualityWithOneLiteralHolds) {
  const std::vector<std::string> version = {"results", "software", "version"};
  const auto pins = [&version](const std::string& condition) {
    return ReleasePolicy::Compile(One(R"(results.software.name == "p" && )" + condition))->Pins(version);
  };
  EXPECT_TRUE(pins(R"(results.software.version == "1.2.0")"));
  EXPECT_TRUE(pins(R"("1.2.0" == results["software"].version)"));
  EXPECT_TRUE(pins(R"(results.software.version in ["1.2.0"])"));
  EXPECT_FALSE(pins(R"(results.software.version in ["1.2.0", "1.3.0"])"));
  EXPECT_FALSE(pins(R"(results.software.version != "1.2.0")"));
  EXPECT_FALSE(pins(R"(results.software.version.startsWith("1."))"));
  EXPECT_FALSE(pins(R"((results.software.version == "1.2.0" || true))"));
  EXPECT_FALSE(pins(R"(results.software.vendor == "1.2.0")"));
}

TEST(ReleasePolicyTest, RequiresWhatAnEqualityWithNoOtherLiteralHolds) {
  const auto requires_one_of = [](const std::string& condition, std::vector<cel::Value> alternatives) {
    return ReleasePolicy::Compile(One(condition))->Requires({{"results", "software", "name"}, std::move(alternatives)});
  };
  const cel::Value p = cel::Value::String("p"), q = cel::Value::String("q");
  EXPECT_TRUE(requires_one_of(R"(results.software.name == "p")", {p}));
  EXPECT_TRUE(requires_one_of(R"(results.software.name == "p")", {q, p}));
  EXPECT_TRUE(requires_one_of(R"(results.software.name in ["p", "q"])", {q, p}));
  EXPECT_FALSE(requires_one_of(R"(results.software.name in ["p", "q"])", {p}));
  EXPECT_FALSE(requires_one_of(R"(results.software.name == "q")", {p}));
  EXPECT_FALSE(requires_one_of(R"(results.software.name == "p")", {}));
  EXPECT_FALSE(requires_one_of(R"(results.attester.measurement == "p")", {p}));
  EXPECT_FALSE(
      requires_one_of(R"(results.attester.measurement == "m" && (results.software.name == "p" || true))", {p}));
}

TEST(ReleasePolicyCacheTest, CompilesOncePerKey) {
  ReleasePolicyCache cache;
  ASSERT_OK_AND_ASSIGN(const auto first, cache.Get("k", One(R"(results.software.name == "payroll")")));
  ASSERT_OK_AND_ASSIGN(const auto second, cache.Get("k", One(R"(results.software.name == "payroll")")));
  EXPECT_EQ(first, second);
  EXPECT_THAT(cache.Get("other", "not yaml: ["), StatusIs(kInvalid));
}

// The samples that a newcomer copies belong together: the policy compiles, and is met by the results that are expected.
TEST(ReleasePolicyTest, TheSampleIsMetByTheAnticipatedResults) {
  const auto policy_text = config::ReadFile("config/release_policies/payroll.yaml", {1 << 20, 0});
  const auto results_text = config::ReadFile("config/anticipated_results.json", {1 << 20, 0});
  ASSERT_OK(policy_text);
  ASSERT_OK(results_text);
  nlohmann::json results = nlohmann::json::parse(*results_text, nullptr, false);
  EXPECT_OK(ValidateAnticipatedResults(results));
  const auto policy = ReleasePolicy::Compile(*policy_text);
  ASSERT_OK(policy);
  EXPECT_OK(policy->MatchObject(results));
  results["software"]["name"] = "other";
  EXPECT_THAT(policy->MatchObject(results), StatusIs(kRefused, HasSubstr("software")));
}

}  // namespace
}  // namespace twi::key_store
