#include "common/conditions/conditions.h"

#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

cel::Activation Results() {
  cel::Activation activation;
  activation.Set("results", JsonToCel(nlohmann::json::parse(R"({
    "status": "affirming", "trustworthiness": {"hardware": 2, "executables": 3},
    "software": {"name": "payroll", "version": "1.2.0", "vendor": "v"},
    "policy_ids": ["p"], "audience": "a", "target": "t", "issuer": "i", "attester": {"format": "sev-snp", "insecure": false, "vmpl": 0}})")));
  return activation;
}

TEST(ConditionsTest, HoldWhenAllAreTrue) {
  const absl::StatusOr<Conditions> conditions = Conditions::Compile(
      {{"software", "results.software.name == 'payroll' && results.software.version in ['1.2.0', '1.3.0']"},
       {"vmpl", "results.attester.vmpl == 0"}},
      {{"results", ResultsType()}});
  ASSERT_TRUE(conditions.ok()) << conditions.status();
  EXPECT_TRUE(conditions->Failed(Results()).empty());
  EXPECT_TRUE(conditions->Hold(Results()));
}

TEST(ConditionsTest, NamesEveryConditionThatFailed) {
  const absl::StatusOr<Conditions> conditions = Conditions::Compile({{"software", "results.software.name == 'ledger'"},
                                                                     {"region", "results.attester.region == 'eu'"},
                                                                     {"ok", "true"}},
                                                                    {{"results", ResultsType()}});
  ASSERT_TRUE(conditions.ok()) << conditions.status();
  const std::vector<FailedCondition> failed = conditions->Failed(Results());
  ASSERT_EQ(failed.size(), 2u);
  EXPECT_EQ(failed[0].name, "software");
  EXPECT_EQ(failed[0].seen, "\"payroll\"");
  EXPECT_EQ(failed[1].name, "region");
  EXPECT_FALSE(failed[1].error.empty());  // an absent field is an error, not false
  EXPECT_FALSE(conditions->Hold(Results()));
}

TEST(ConditionsTest, AllConditionsHaveOneBudget) {
  const std::string ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].all(";
  const std::string dear = ten + "a, " + ten + "b, " + ten + "c, " + ten + "d, true))))";
  const std::map<std::string, cel::Type> variables = {{"results", ResultsType()}};
  EXPECT_TRUE(Conditions::Compile({{"1", dear}}, variables)->Hold(Results())) << "what each costs, alone";
  std::vector<std::pair<std::string, std::string>> named;
  for (int i = 0; i < 10; ++i) named.emplace_back(std::to_string(i), dear);
  const absl::StatusOr<Conditions> together = Conditions::Compile(named, variables);
  ASSERT_TRUE(together.ok()) << together.status();
  EXPECT_FALSE(together->Hold(Results()));
  const std::vector<FailedCondition> failed = together->Failed(Results());
  ASSERT_FALSE(failed.empty());
  EXPECT_EQ(failed.back().name, "9");
  EXPECT_NE(failed.back().error, "");
}

TEST(ConditionsTest, RefusesWhatDoesNotCompile) {
  for (const char* expression :
       {"results.no_such_field == 1", "evidence.vmpl == 0", "results.status", "results.status == ", ""}) {
    const absl::Status refused = Conditions::Compile({{"c", expression}}, {{"results", ResultsType()}}).status();
    EXPECT_EQ(DenyReasonOf(refused), v1::DENY_REASON_EXPRESSION_INVALID) << expression;
  }
}

TEST(ConditionsTest, RefusesNamesThatAreMissingOrTwice) {
  EXPECT_FALSE(Conditions::Compile({{"", "true"}}, {}).ok());
  EXPECT_FALSE(Conditions::Compile({{"a", "true"}, {"a", "true"}}, {}).ok());
}

}  // namespace
}  // namespace twi
