// The samples in config/ are what a newcomer copies: they load.
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/testing/matchers.h"
#include "proto/twi/config/v1/claims_mapper.pb.h"
#include "services/claims_mapper/map_claims.h"
#include "services/claims_mapper/mapping_policy.h"

namespace twi::claims_mapper {
namespace {

using ::twi::testing::StatusIs;

absl::StatusOr<PolicyPtr> SamplePolicy(const std::string& name = "payroll") {
  const auto text = config::ReadFile("config/policies/" + name + ".yaml", {1 << 20, 0});
  if (!text.ok()) return text.status();
  return ParseMappingPolicy(*text, name + ".yaml");
}

TEST(ConfigSamplesTest, TheConfigLoads) {
  const auto text = config::ReadFile("config/claims_mapper.yaml", {1 << 20, 0});
  ASSERT_OK(text);
  config::v1::ClaimsMapperConfig config;
  ASSERT_OK(config::ParseYaml(*text, "claims_mapper.yaml", config));
  EXPECT_EQ(config.server().allow_size(), 6) << "every RPC of the service";
  ASSERT_EQ(config.owners_size(), 1);
  const auto policy = SamplePolicy();
  ASSERT_OK(policy);
  EXPECT_EQ((*policy)->owner, config.owners(0).spiffe_id());
  EXPECT_EQ((*policy)->workload_identifier.rfind(config.owners(0).identifier_prefixes(0), 0), 0u);
}

// One identity, by two policies that never meet: a provisioned credential says nothing that an update makes untrue.
TEST(ConfigSamplesTest, ThePoliciesMapWhatTheySay) {
  ASSERT_OK_AND_ASSIGN(const PolicyPtr attested, SamplePolicy());
  ASSERT_OK_AND_ASSIGN(const PolicyPtr provisioned, SamplePolicy("payroll-provisioned"));
  ASSERT_OK_AND_ASSIGN(const PolicySnapshot::Ptr policies, PolicySnapshot::FromPolicies({attested, provisioned}));
  nlohmann::json results = {{"status", "affirming"},
                            {"trustworthiness", {{"hardware", 2}}},
                            {"software", {{"name", "payroll-worker"}, {"version", "2.0"}}}};
  MapInput input = InputFromAnticipated(results);
  ASSERT_OK_AND_ASSIGN(const MappedClaims planned, MapClaims(*policies, input));
  input.kind = v1::INPUT_KIND_ATTESTATION_RESULTS;
  ASSERT_OK_AND_ASSIGN(const MappedClaims mapped, MapClaims(*policies, input));
  EXPECT_EQ(mapped.workload_identifier, "spiffe://example.org/payroll/worker");
  EXPECT_EQ(mapped.claims.at("software_version"), "2.0");
  EXPECT_EQ(planned.workload_identifier, mapped.workload_identifier);
  EXPECT_FALSE(planned.claims.contains("software_version"));
  results["software"]["name"] = "other";
  EXPECT_THAT(MapClaims(*policies, InputFromAnticipated(results)), StatusIs(v1::DENY_REASON_MAPPING_NO_POLICY));
}

}  // namespace
}  // namespace twi::claims_mapper
