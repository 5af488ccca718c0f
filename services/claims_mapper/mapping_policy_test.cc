#include "services/claims_mapper/mapping_policy.h"

#include "absl/strings/str_replace.h"
#include "common/testing/matchers.h"
#include "services/claims_mapper/owners.h"

namespace twi::claims_mapper {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

constexpr char kGood[] = R"(name: payroll
version: 3
owner: spiffe://example.org/owner/payroll
workload_identifier: spiffe://example.org/payroll/worker
accepts: [attestation_results, anticipated]
match:
- name: image
  expression: results.software.name == "payroll" && results.software.version in ["1.0", "1.1"]
- name: hardware
  expression: results.trustworthiness["hardware"] == 2
claims:
- name: team
  constant: payroll
- name: tier
  constant_int: 1
- name: audited
  constant_bool: true
- name: image_version
  expression: results.software.version
- name: region
  expression: results.attester.region
  volatile_for: 10m
limits:
  max_lifetime: 30m
  dns_names: [worker.payroll.example.org]
)";

// The good document with one thing changed.
std::string With(absl::string_view from, absl::string_view to) {
  std::string changed = absl::StrReplaceAll(kGood, {{from, to}});
  EXPECT_NE(changed, kGood) << from;
  return changed;
}

TEST(MappingPolicyTest, ReadsEveryField) {
  ASSERT_OK_AND_ASSIGN(const auto policy, ParseMappingPolicy(kGood, "payroll.yaml"));
  EXPECT_EQ(policy->Label(), "payroll@3");
  EXPECT_EQ(policy->owner, "spiffe://example.org/owner/payroll");
  EXPECT_EQ(policy->workload_identifier, "spiffe://example.org/payroll/worker");
  EXPECT_EQ(policy->accepts, (std::set<v1::InputKind>{v1::INPUT_KIND_ATTESTATION_RESULTS, v1::INPUT_KIND_ANTICIPATED}));
  ASSERT_EQ(policy->match.size(), 2u);
  ASSERT_EQ(policy->claims.size(), 5u);
  EXPECT_EQ(policy->claims[1].constant, 1);
  EXPECT_EQ(policy->claims[2].constant, true);
  EXPECT_TRUE(policy->claims[3].program.has_value());
  EXPECT_EQ(policy->dns_names, std::vector<std::string>{"worker.payroll.example.org"});
  EXPECT_EQ(policy->sha256.size(), 32u);
  ASSERT_EQ(policy->required.size(), 3u);
  EXPECT_EQ(policy->required[1].alternatives.size(), 2u);
}

TEST(MappingPolicyTest, AVolatileClaimCutsTheLifetime) {
  ASSERT_OK_AND_ASSIGN(const auto policy, ParseMappingPolicy(kGood, "p"));
  EXPECT_EQ(policy->max_lifetime, absl::Minutes(10));
  ASSERT_OK_AND_ASSIGN(const auto longer, ParseMappingPolicy(With("volatile_for: 10m", "volatile_for: 2h"), "p"));
  EXPECT_EQ(longer->max_lifetime, absl::Minutes(30));
  ASSERT_OK_AND_ASSIGN(const auto plain, ParseMappingPolicy(With("  volatile_for: 10m\n", ""), "p"));
  EXPECT_EQ(plain->max_lifetime, absl::Minutes(30));
}

TEST(MappingPolicyTest, EvidenceIsForPoliciesThatAcceptNothingElse) {
  const std::string uses = With("results.attester.region", "evidence.region");
  EXPECT_THAT(ParseMappingPolicy(uses, "p"),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED, HasSubstr("accepts is [evidence]")));
  EXPECT_OK(ParseMappingPolicy(absl::StrReplaceAll(uses, {{"[attestation_results, anticipated]", "[evidence]"}}), "p"));
  EXPECT_FALSE(ParseMappingPolicy(
                   absl::StrReplaceAll(uses, {{"[attestation_results, anticipated]", "[evidence, anticipated]"}}), "p")
                   .ok());
}

TEST(MappingPolicyTest, AnErrorSaysWhere) {
  EXPECT_THAT(ParseMappingPolicy(With("version: 3", "versoin: 3"), "payroll.yaml"),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED, AllOf(HasSubstr("payroll.yaml:2:1"), HasSubstr("versoin"))));
  EXPECT_THAT(ParseMappingPolicy(With("results.software.name ==", "results.software.nmae =="), "payroll.yaml"),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED, AllOf(HasSubstr("payroll.yaml:8:15: match[0].expression"),
                                                               HasSubstr("at 1:"), HasSubstr("nmae"))));
  EXPECT_THAT(ParseMappingPolicy(With("name: payroll\nversion", "name: payroll\nname: x\nversion"), "payroll.yaml"),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED, HasSubstr("payroll.yaml:2:")));
}

TEST(MappingPolicyTest, AllProblemsAreNamedAtOnce) {
  const std::string bad = absl::StrReplaceAll(kGood, {{"max_lifetime: 30m", "max_lifetime: 25h"},
                                                      {"name: payroll\n", "name: Payroll\n"},
                                                      {"[\"1.0\", \"1.1\"]", "[]"}});
  EXPECT_THAT(ParseMappingPolicy(bad, "p"),
              StatusIs(v1::DENY_REASON_POLICY_MALFORMED,
                       AllOf(HasSubstr("p:1:7: name"), HasSubstr("limits.max_lifetime"), HasSubstr("can be true"))));
}

TEST(MappingPolicyTest, RefusesEachFieldThatIsMissingOrOutOfRange) {
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"name: payroll\n", "name: \"\"\n"},
      {"version: 3", "version: 0"},
      {"version: 3", "version: 3\nrollback_from: 3"},
      {"version: 3", "version: 3\nrollback_from: 2"},
      {"version: 3", "version: -1"},
      {"spiffe://example.org/owner/payroll", "payroll"},
      {"spiffe://example.org/payroll/worker", "spiffe://example.org"},
      {"spiffe://example.org/payroll/worker", "spiffe://example.org/payroll/"},
      {"[attestation_results, anticipated]", "[]"},
      {"[attestation_results, anticipated]", "[anything]"},
      {"[attestation_results, anticipated]", "[anticipated, anticipated]"},
      {"- name: hardware", "- name: image"},
      {"- name: hardware", "- name: \"\""},
      {"results.trustworthiness[\"hardware\"] == 2", "results.trustworthiness[\"hardware\"]"},
      {"results.trustworthiness[\"hardware\"] == 2", "\"\""},
      {"results.trustworthiness[\"hardware\"] == 2", "evidence.x == 1"},
      {"- name: tier", "- name: team"},
      {"- name: tier", "- name: Tier"},
      {"  constant: payroll\n", ""},
      {"  constant: payroll\n", "  constant: payroll\n  constant_int: 1\n"},
      {"expression: results.software.version\n", "expression: 1.5\n"},
      {"expression: results.software.version\n", "expression: \"[1, 2]\"\n"},
      {"expression: results.software.version\n", "expression: \"{'a': 'b'}\"\n"},
      {"volatile_for: 10m", "volatile_for: 10s"},
      {"volatile_for: 10m", "volatile_for: 25h"},
      {"max_lifetime: 30m", "max_lifetime: 30s"},
      {"worker.payroll.example.org", "'*.payroll.example.org'"},
      {"worker.payroll.example.org", "Worker.example.org"},
      {"worker.payroll.example.org", "localhost"},
      {"worker.payroll.example.org", "a.example.org, a.example.org"},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_THAT(ParseMappingPolicy(With(from, to), "p"), StatusIs(v1::DENY_REASON_POLICY_MALFORMED))
        << from << " -> " << to;
  }
}

TEST(MappingPolicyTest, RefusesAnEmptyOrOverlongDocument) {
  EXPECT_THAT(ParseMappingPolicy("", "p"), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(ParseMappingPolicy("{}", "p"), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(ParseMappingPolicy(std::string(200000, '#'), "p"), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
  EXPECT_THAT(ParseMappingPolicy("match: []\n", "p"), StatusIs(v1::DENY_REASON_POLICY_MALFORMED));
}

class OwnersTest : public ::testing::Test {
 protected:
  OwnersTest()
      : key_(*crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
        owner_{"spiffe://example.org/owner/payroll",
               key_.public_key(),
               {"spiffe://example.org/payroll/"},
               {".payroll.example.org", "pay.example.org"}},
        owners_("example.org", {owner_}) {}
  absl::Status Check(const std::string& identifier, const std::vector<std::string>& dns_names = {}) {
    return owners_.CheckEntitlement(owner_, identifier, dns_names);
  }
  crypto::PrivateKey key_;
  Owner owner_;
  Owners owners_;
};

TEST_F(OwnersTest, AnOwnerGrantsWithinItsPart) {
  EXPECT_OK(Check("spiffe://example.org/payroll/worker", {"a.payroll.example.org", "pay.example.org"}));
  EXPECT_NE(owners_.Find("spiffe://example.org/owner/payroll"), nullptr);
  EXPECT_EQ(owners_.Find("spiffe://example.org/owner/ledger"), nullptr);
}

TEST_F(OwnersTest, AnOwnerGrantsNothingElse) {
  for (const char* identifier : {"spiffe://example.org/ledger/worker", "spiffe://example.org/payroll",
                                 "spiffe://example.org/payrolls/x", "spiffe://example.com/payroll/x",
                                 "spiffe://example.org/twi/verifier", "spiffe://example.org/payroll/", "payroll"}) {
    EXPECT_THAT(Check(identifier), StatusIs(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED)) << identifier;
  }
  for (const char* name : {"payroll.example.org", "xpayroll.example.org", "www.pay.example.org", "example.org"}) {
    EXPECT_THAT(Check("spiffe://example.org/payroll/worker", {name}), StatusIs(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED))
        << name;
  }
}

TEST_F(OwnersTest, EvenAWidePrefixDoesNotReachTheServices) {
  Owner wide = owner_;
  wide.identifier_prefixes = {"spiffe://example.org/"};
  EXPECT_THAT(owners_.CheckEntitlement(wide, "spiffe://example.org/twi/verifier", {}),
              StatusIs(v1::DENY_REASON_IDENTIFIER_NOT_ALLOWED));
}

}  // namespace
}  // namespace twi::claims_mapper
