#include "services/claims_mapper/map_claims.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/matchers.h"

namespace twi::claims_mapper {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::twi::testing::StatusIs;

// A policy of that name with these conditions (CEL), and more YAML at the end.
PolicyPtr Policy(const std::string& name, const std::vector<std::string>& conditions,
                 const std::string& accepts = "attestation_results", const std::string& more = "",
                 const std::string& owner = "a") {
  std::string document =
      absl::StrCat("name: ", name, "\nversion: 1\nowner: spiffe://example.org/owner/", owner,
                   "\nworkload_identifier: spiffe://example.org/a/", name, "\naccepts: [", accepts, "]\nmatch:\n");
  int i = 0;
  for (const std::string& condition : conditions)
    absl::StrAppend(&document, "- name: c", ++i, "\n  expression: '", condition, "'\n");
  const auto policy = ParseMappingPolicy(document + more, name);
  EXPECT_OK(policy);
  return *policy;
}

json Results(const std::string& name, const std::string& version = "1.0") {
  return {{"status", "affirming"},
          {"trustworthiness", {{"hardware", 2}}},
          {"software", {{"name", name}, {"version", version}, {"vendor", "Example"}}},
          {"policy_ids", {"default@sha256:00"}},
          {"audience", "https://ca.example.org"},
          {"target", "t"},
          {"issuer", "spiffe://example.org/twi/verifier"},
          {"attester", {{"format", "sev-snp"}, {"vmpl", 0}, {"half", 0.5}, {"nested", {{"a", 1}}}}}};
}

MapInput Input(const json& results, v1::InputKind kind = v1::INPUT_KIND_ATTESTATION_RESULTS) {
  MapInput input = InputFromAnticipated(results);
  input.kind = kind;
  if (kind == v1::INPUT_KIND_EVIDENCE)
    input.values.Set("evidence", *input.values.Find("results")->Find(absl::string_view("attester")));
  return input;
}

absl::StatusOr<MappedClaims> Map(const std::vector<PolicyPtr>& policies, const MapInput& input) {
  const auto snapshot = PolicySnapshot::FromPolicies(policies);
  EXPECT_OK(snapshot);
  return MapClaims(**snapshot, input);
}

TEST(MapClaimsTest, TheOnePolicyThatMatchesGivesIdentityAndClaims) {
  const std::string more = R"(claims:
- {name: team, constant: payroll}
- {name: version, expression: results.software.version}
- {name: vmpl, expression: results.attester.vmpl}
- {name: good, expression: "results.status == 'affirming'"}
- {name: policies, expression: results.policy_ids, volatile_for: 5m}
limits: {dns_names: [a.example.org]}
)";
  ASSERT_OK_AND_ASSIGN(const MappedClaims mapped,
                       Map({Policy("payroll", {"results.software.name == \"payroll\""}, "attestation_results", more),
                            Policy("ledger", {"results.software.name == \"ledger\""})},
                           Input(Results("payroll"))));
  EXPECT_EQ(mapped.workload_identifier, "spiffe://example.org/a/payroll");
  EXPECT_EQ(
      mapped.claims,
      (json{
          {"team", "payroll"}, {"version", "1.0"}, {"vmpl", 0}, {"good", true}, {"policies", {"default@sha256:00"}}}));
  EXPECT_EQ(mapped.max_lifetime, absl::Minutes(5));
  EXPECT_EQ(mapped.policy_name, "payroll");
  EXPECT_EQ(mapped.policy_version, 1u);
  EXPECT_EQ(mapped.policy_sha256.size(), 32u);
  EXPECT_EQ(mapped.policy_owner, "spiffe://example.org/owner/a");
  EXPECT_EQ(mapped.dns_names, std::vector<std::string>{"a.example.org"});
}

TEST(MapClaimsTest, AnUpdateOfTheSoftwareKeepsTheIdentity) {
  const PolicyPtr policy =
      Policy("payroll", {"results.software.name == \"payroll\" && results.software.version in [\"1.0\", \"1.1\"]"});
  ASSERT_OK_AND_ASSIGN(const MappedClaims before, Map({policy}, Input(Results("payroll", "1.0"))));
  ASSERT_OK_AND_ASSIGN(const MappedClaims after, Map({policy}, Input(Results("payroll", "1.1"))));
  EXPECT_EQ(before.workload_identifier, after.workload_identifier);
}

TEST(MapClaimsTest, NoPolicyNamesEveryFailedConditionOfTheNearest) {
  const auto status =
      Map({Policy("payroll", {"results.software.name == \"payroll\"",
                              "results.trustworthiness[\"hardware\"] == 3 && results.attester.vmpl == 1",
                              "results.attester.nothing == 1"})},
          Input(Results("payroll")));
  EXPECT_THAT(status,
              StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY,
                       AllOf(HasSubstr("payroll@1"), HasSubstr("\"c2\""), HasSubstr("seen 2, expected == 3"),
                             HasSubstr("seen 0, expected == 1"), HasSubstr("\"c3\""), Not(HasSubstr("\"c1\"")))));
}

TEST(MapClaimsTest, NoPolicyAmongManySaysWhatWasLookedFor) {
  std::vector<PolicyPtr> policies;
  for (int i = 0; i < 100; ++i)
    policies.push_back(Policy(absl::StrCat("p", i), {absl::StrCat("results.software.name == \"w", i, "\"")}));
  EXPECT_THAT(Map(policies, Input(Results("stranger"))),
              StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY,
                       AllOf(HasSubstr("none of 100"), HasSubstr("results.software.name is \"stranger\""))));
  EXPECT_THAT(Map({}, Input(Results("payroll"))), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
}

TEST(MapClaimsTest, TwoMatchesAreARefusalThatNamesBoth) {
  EXPECT_THAT(Map({Policy("payroll", {"results.software.name == \"payroll\""}),
                   Policy("any", {"results.status == \"affirming\""})},
                  Input(Results("payroll"))),
              StatusIs(v1::DENY_REASON_MAPPING_AMBIGUOUS, AllOf(HasSubstr("payroll@1"), HasSubstr("any@1"))));
}

TEST(MapClaimsTest, APolicyForAnotherKindDoesNotCount) {
  const PolicyPtr results = Policy("a", {"results.software.name == \"payroll\""}, "attestation_results");
  const PolicyPtr planned = Policy("b", {"results.software.name == \"payroll\""}, "anticipated");
  ASSERT_OK_AND_ASSIGN(const MappedClaims mapped, Map({results, planned}, Input(Results("payroll"))));
  EXPECT_EQ(mapped.policy_name, "a");
  EXPECT_THAT(Map({planned}, Input(Results("payroll"))),
              StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED, HasSubstr("b@1")));
  EXPECT_THAT(Map({results}, Input(Results("payroll"), v1::INPUT_KIND_EVIDENCE)),
              StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
  EXPECT_THAT(Map({results}, Input(Results("payroll"), v1::INPUT_KIND_ANTICIPATED)),
              StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
  EXPECT_THAT(Map({results}, Input(Results("payroll"), v1::INPUT_KIND_UNSPECIFIED)),
              StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
}

TEST(MapClaimsTest, EvidenceIsSeenOnlyInMechanismA) {
  const PolicyPtr policy = Policy("a", {"results.software.name == \"payroll\"", "evidence.vmpl == 0"}, "evidence");
  EXPECT_OK(Map({policy}, Input(Results("payroll"), v1::INPUT_KIND_EVIDENCE)));
  EXPECT_THAT(Map({policy}, Input(Results("payroll"))), StatusIs(v1::DENY_REASON_INPUT_KIND_NOT_ALLOWED));
  json other = Results("payroll");
  other["attester"]["vmpl"] = 1;
  EXPECT_THAT(Map({policy}, Input(other, v1::INPUT_KIND_EVIDENCE)), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
}

TEST(MapClaimsTest, AnAbsentFieldIsNeverTrue) {
  json unknown = Results("payroll");
  unknown["software"] = nullptr;
  for (const char* condition : {"results.software.name == \"payroll\"", "results.software.name != \"ledger\"",
                                "!(results.software.name == \"x\")"}) {
    EXPECT_THAT(Map({Policy("a", {condition})}, Input(unknown)), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY))
        << condition;
  }
}

TEST(MapClaimsTest, AClaimThatCannotBeComputedIsARefusal) {
  const auto with_claim = [](const std::string& expression) {
    return Map({Policy("a", {"results.software.name == \"payroll\""}, "attestation_results",
                       absl::StrCat("claims:\n- {name: x, expression: '", expression, "'}\n"))},
               Input(Results("payroll")));
  };
  EXPECT_OK(with_claim("results.attester.format"));
  for (const char* expression : {"results.attester.nothing", "results.attester.nested", "results.attester.half",
                                 "[results.attester.vmpl]", "results.attester.vmpl / 0"}) {
    EXPECT_THAT(with_claim(expression),
                StatusIs(v1::DENY_REASON_MAPPING_CLAIM_FAILED, AllOf(HasSubstr("a@1"), HasSubstr("claim x"))))
        << expression;
  }
  json big = Results("payroll");
  big["attester"]["format"] = std::string(1025, 'x');
  EXPECT_THAT(Map({Policy("a", {"results.software.name == \"payroll\""}, "attestation_results",
                          "claims: [{name: x, expression: results.attester.format}]\n")},
                  Input(big)),
              StatusIs(v1::DENY_REASON_MAPPING_CLAIM_FAILED));
}

TEST(MapClaimsTest, ClaimsAreBoundedTogether) {
  std::string more = "claims:\n";
  for (int i = 0; i < 5; ++i) absl::StrAppend(&more, "- {name: c", i, ", constant: ", std::string(1000, 'x'), "}\n");
  EXPECT_THAT(Map({Policy("a", {"results.software.name == \"payroll\""}, "attestation_results", more)},
                  Input(Results("payroll"))),
              StatusIs(v1::DENY_REASON_MAPPING_CLAIM_FAILED, HasSubstr("4 KiB")));
}

// Six policies that find `payroll` and then compare a value whose tree has 2^24 leaves.
std::vector<PolicyPtr> GreedyPolicies(const std::string& owner) {
  std::string tree = "[0]";
  for (int i = 0; i < 24; ++i) tree += ".map(x,[x,x])";
  const std::string condition = absl::StrCat("results.software.name == \"payroll\" && ", tree, " == ", tree);
  std::vector<PolicyPtr> policies;
  for (int i = 0; i < 6; ++i)
    policies.push_back(Policy(absl::StrCat("greedy", i), {condition}, "attestation_results", "", owner));
  return policies;
}

TEST(MapClaimsTest, GreedyPoliciesOfAnotherOwnerTakeNothingAway) {
  std::vector<PolicyPtr> policies = GreedyPolicies("b");
  policies.push_back(Policy("payroll", {"results.software.name == \"payroll\""}));
  ASSERT_OK_AND_ASSIGN(const MappedClaims mapped, Map(policies, Input(Results("payroll"))));
  EXPECT_EQ(mapped.policy_name, "payroll");
}

TEST(MapClaimsTest, ThePoliciesOfOneOwnerAreBoundedTogether) {
  std::vector<PolicyPtr> policies = GreedyPolicies("a");
  policies.push_back(Policy("payroll", {"results.software.name == \"payroll\""}));
  EXPECT_THAT(Map(policies, Input(Results("payroll"))),
              StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY, HasSubstr("evaluation cost limit exceeded")));
}

TEST(MapClaimsTest, AMatchBesideWhatCouldNotBeEvaluatedIsRefused) {
  std::vector<PolicyPtr> policies = {Policy("payroll", {"results.software.name == \"payroll\""})};
  for (PolicyPtr& greedy : GreedyPolicies("a")) policies.push_back(std::move(greedy));
  EXPECT_THAT(Map(policies, Input(Results("payroll"))),
              StatusIs(v1::DENY_REASON_MAPPING_AMBIGUOUS, HasSubstr("cost too much together")));
}

TEST(PolicyIndexTest, LooksAtFewOfMany) {
  std::vector<PolicyPtr> policies;
  for (int i = 0; i < 2000; ++i) {
    policies.push_back(
        Policy(absl::StrCat("p", i),
               {"results.status == \"affirming\"", absl::StrCat("results.software.name == \"w", i / 20, "\""),
                absl::StrCat("results.software.version in [\"", i % 20, "\", \"", i % 20, "b\"]")}));
  }
  ASSERT_OK_AND_ASSIGN(const auto index, PolicyIndex::Build(policies));
  const auto candidates = index->Candidates(Input(Results("w7", "3b")).values);
  EXPECT_LE(candidates.size(), 4u);
  ASSERT_OK_AND_ASSIGN(const MappedClaims mapped, Map(policies, Input(Results("w7", "3b"))));
  EXPECT_EQ(mapped.policy_name, "p143");
  EXPECT_THAT(index->Candidates(Input(Results("w100", "3")).values), ::testing::IsEmpty());
  EXPECT_THAT(index->Candidates(Input(json{{"status", "affirming"}}).values), ::testing::IsEmpty());
}

TEST(PolicyIndexTest, EqualNumbersOfAnyTypeAreFound) {
  std::vector<PolicyPtr> policies;
  for (int i = 0; i < 10; ++i)
    policies.push_back(
        Policy(absl::StrCat("p", i), {absl::StrCat("results.attester.n == ", i, i % 2 == 0 ? ".0" : "")}));
  for (int i = 0; i < 10; ++i) {
    json results = Results("x");
    results["attester"]["n"] = i;
    EXPECT_OK(Map(policies, Input(results)));
    results["attester"]["n"] = static_cast<double>(i);
    EXPECT_OK(Map(policies, Input(results)));
    results["attester"]["n"] = i + 0.5;
    EXPECT_FALSE(Map(policies, Input(results)).ok());
    results["attester"]["n"] = absl::StrCat(i);
    EXPECT_FALSE(Map(policies, Input(results)).ok());
  }
}

TEST(PolicyIndexTest, RefusesTooManyPoliciesWithoutLiterals) {
  std::vector<PolicyPtr> policies;
  for (std::size_t i = 0; i < kMaxUnindexed; ++i)
    policies.push_back(Policy(absl::StrCat("p", i), {absl::StrCat("results.software.name.endsWith(\"-", i, "\")")}));
  ASSERT_OK_AND_ASSIGN(const auto snapshot, PolicySnapshot::FromPolicies(policies));
  EXPECT_OK(MapClaims(*snapshot, Input(Results("w-63"))));
  const PolicyPtr one_more = Policy("more", {"results.software.name.startsWith(\"x\")"});
  EXPECT_THAT(snapshot->With(one_more), StatusIs(v1::DENY_REASON_POLICY_MALFORMED, HasSubstr("literal")));
  policies.push_back(one_more);
  EXPECT_THAT(PolicySnapshot::FromPolicies(policies), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
}

TEST(PolicyIndexTest, RefusesToLookAtTooManyFields) {
  std::vector<PolicyPtr> policies;
  for (std::size_t i = 0; i <= kMaxIndexedFields; ++i)
    policies.push_back(Policy(absl::StrCat("p", i), {absl::StrCat("results.attester.f", i, " == 1")}));
  EXPECT_THAT(PolicyIndex::Build(policies), StatusIs(v1::DENY_REASON_POLICY_MALFORMED, HasSubstr("fields")));
}

TEST(PolicySnapshotTest, AReplacedPolicyIsGoneAndTheOthersStay) {
  ASSERT_OK_AND_ASSIGN(PolicySnapshot::Ptr snapshot,
                       PolicySnapshot::FromPolicies({Policy("a", {"results.software.name == \"one\""}),
                                                     Policy("b", {"results.software.name == \"two\""})}));
  ASSERT_OK_AND_ASSIGN(const PolicySnapshot::Ptr next,
                       snapshot->With(Policy("a", {"results.software.name == \"three\""})));
  EXPECT_OK(MapClaims(*snapshot, Input(Results("one")))) << "an older snapshot stays as it was";
  EXPECT_THAT(MapClaims(*next, Input(Results("one"))), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
  EXPECT_OK(MapClaims(*next, Input(Results("two"))));
  EXPECT_OK(MapClaims(*next, Input(Results("three"))));
  EXPECT_EQ(next->size(), 2u);
}

TEST(PolicySnapshotTest, GrowsOneByOneBeyondTheRecentOnes) {
  ASSERT_OK_AND_ASSIGN(PolicySnapshot::Ptr snapshot, PolicySnapshot::FromPolicies({}));
  for (std::size_t i = 0; i < 2 * PolicySnapshot::kMaxRecent + 10; ++i) {
    ASSERT_OK_AND_ASSIGN(snapshot, snapshot->With(Policy(absl::StrCat("p", i),
                                                         {absl::StrCat("results.software.name == \"w", i, "\"")})));
  }
  EXPECT_EQ(snapshot->size(), 2 * PolicySnapshot::kMaxRecent + 10);
  for (std::size_t i : {0, 255, 256, 400, 521})
    EXPECT_OK(MapClaims(*snapshot, Input(Results(absl::StrCat("w", i))))) << i;
  EXPECT_NE(snapshot->FindByName("p3"), nullptr);
  EXPECT_EQ(snapshot->FindByName("p9999"), nullptr);
}

}  // namespace
}  // namespace twi::claims_mapper
