#include "services/claims_mapper/match_release_policy.h"

#include "absl/strings/str_cat.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::claims_mapper {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::twi::testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_RELEASE_POLICY_INVALID;
constexpr char kName[] = R"(results.software.name == "payroll")";

class MatchReleasePolicyTest : public ::testing::Test {
 protected:
  // A Claims Mapper Policy with these conditions and claims (YAML of both), against a release policy of these
  // conditions (CEL).
  absl::Status Match(const std::vector<std::string>& release) {
    const auto policy = ParseMappingPolicy(
        absl::StrCat("name: payroll\nversion: 1\nowner: spiffe://example.org/owner/payroll\nworkload_identifier: "
                     "spiffe://example.org/payroll/worker\naccepts: [anticipated]\nmatch:\n",
                     match_, claims_.empty() ? "" : "claims:\n", claims_),
        "payroll.yaml");
    EXPECT_OK(policy);
    if (!policy.ok()) return policy.status();
    std::string document = "conditions:\n";
    for (std::size_t i = 0; i < release.size(); ++i)
      absl::StrAppend(&document, "- name: r", i, "\n  expression: '", release[i], "'\n");
    const auto release_policy = key_store::ReleasePolicy::Compile(document);
    EXPECT_OK(release_policy);
    if (!release_policy.ok()) return release_policy.status();
    return MatchReleasePolicy(**policy, anticipated_, *release_policy);
  }

  std::string match_ = "- {name: image, expression: 'results.software.name == \"payroll\"'}\n";
  std::string claims_ = "- {name: team, constant: payroll}\n";
  nlohmann::json anticipated_ = {
      {"status", "affirming"},
      {"trustworthiness", {{"hardware", 2}}},
      {"software", {{"name", "payroll"}, {"version", "1.2.0"}, {"vendor", "Example"}}},
      {"attester", {{"format", "sev-snp"}, {"measurement", "aa"}}},
  };
};

TEST_F(MatchReleasePolicyTest, ConstantsNeedNothingButTheSameSoftware) {
  EXPECT_OK(Match({kName}));
  EXPECT_OK(Match({kName, R"(results.status == "affirming")"}));
  claims_.clear();
  EXPECT_OK(Match({kName}));
}

TEST_F(MatchReleasePolicyTest, RefusesResultsThatWouldNeverOpenTheKey) {
  EXPECT_THAT(Match({R"(results.software.name == "ledger")"}),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED, HasSubstr("anticipated")));
  EXPECT_THAT(Match({kName, R"(results.attester.host_data == "00")"}),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED));
}

// A claim says what the owner anticipates: nothing but the release policy makes it so.
TEST_F(MatchReleasePolicyTest, RefusesAComputedClaimThatIsNotPinned) {
  claims_ += "- {name: version, expression: results.software.version}\n";
  const auto unpinned =
      StatusIs(kInvalid, AllOf(HasSubstr("payroll@1"),
                               HasSubstr("claim version is computed from results.software.version, which no "),
                               Not(HasSubstr("claim team"))));
  EXPECT_THAT(Match({kName}), unpinned);
  EXPECT_THAT(Match({kName, R"(results.software.version in ["1.2.0", "1.3.0"])"}), unpinned);
  EXPECT_THAT(Match({kName, R"(results.software.version != "1.1.0")"}), unpinned);
  EXPECT_THAT(Match({kName, R"(results.software.version == "1.2.0" || true)"}), unpinned);
  EXPECT_OK(Match({kName, R"(results.software.version == "1.2.0")"}));
  EXPECT_OK(Match({R"(results.software.version == "1.2.0" && results.software.name == "payroll")"}));
  EXPECT_THAT(Match({kName, R"(results.software.version == "9.9.9")"}),
              StatusIs(v1::DENY_REASON_RELEASE_POLICY_REFUSED))
      << "pinned, to another value than the one that the claim was computed from";
}

TEST_F(MatchReleasePolicyTest, RefusesEachValueOfAClaimThatIsNotPinned) {
  claims_ = "- {name: what, expression: 'results.software.version + results.software.vendor'}\n";
  EXPECT_THAT(Match({kName}),
              StatusIs(kInvalid, AllOf(HasSubstr("results.software.version"), HasSubstr("results.software.vendor"))));
  EXPECT_THAT(Match({kName, R"(results.software.version == "1.2.0")"}),
              StatusIs(kInvalid, AllOf(Not(HasSubstr("results.software.version")), HasSubstr("software.vendor"))));
  EXPECT_OK(Match({kName, R"(results.software.version == "1.2.0")", R"(results.software.vendor == "Example")"}));
}

// The identifier is the policy's for that software: a key with it goes to no other.
TEST_F(MatchReleasePolicyTest, RefusesToReleaseToSoftwareThatThePolicyDoesNotName) {
  const auto other =
      StatusIs(kInvalid, AllOf(HasSubstr("condition image"), HasSubstr("is on results.software.name, and")));
  EXPECT_THAT(Match({R"(results.software.name in ["payroll", "ledger"])"}), other);
  EXPECT_THAT(Match({R"(results.attester.measurement == "aa")"}), other) << "nobody says that aa is payroll";
  EXPECT_OK(Match({R"(results.attester.measurement == "aa")", kName}));
}

TEST_F(MatchReleasePolicyTest, TheReleasePolicyMayBeNarrowerThanThePolicy) {
  match_ =
      "- {name: image, expression: 'results.software.name in [\"payroll\", \"payroll-2\"]'}\n"
      "- {name: vendor, expression: 'results.software.vendor == \"Example\"'}\n";
  EXPECT_THAT(Match({kName}), StatusIs(kInvalid, AllOf(HasSubstr("condition vendor"), Not(HasSubstr("image")))));
  const std::string vendor = R"(results.software.vendor == "Example")";
  EXPECT_OK(Match({kName, vendor}));
  EXPECT_OK(Match({R"(results.software.name in ["payroll-2", "payroll"])", vendor}));
  EXPECT_THAT(Match({R"(results.software.name in ["payroll-2", "payroll", "x"])", vendor}),
              StatusIs(kInvalid, AllOf(HasSubstr("condition image"), Not(HasSubstr("vendor")))));
}

TEST_F(MatchReleasePolicyTest, OtherConditionsOfThePolicyAreNotAskedFor) {
  match_ += "- {name: hardware, expression: 'results.trustworthiness.hardware == 2'}\n";
  EXPECT_OK(Match({kName}));
}

}  // namespace
}  // namespace twi::claims_mapper
