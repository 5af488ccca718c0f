// One acquisition by each mechanism: the same trace id in the log of every daemon that had a part in it, and nowhere
// else.
#include <map>
#include <set>

#include "gmock/gmock.h"
#include "integration_tests/deployment_fixture.h"

namespace twi::integration {
namespace {

using Served = std::set<std::string>;  // "claims_mapper MapClaims"

class TraceTest : public DeploymentTest {
 protected:
  // The trace id of the agent's last line with this event.
  static std::string TraceOf(const std::string& agent, const std::string& event) {
    const std::vector<nlohmann::json> lines = deployment_->LogLines("agent-" + agent, event);
    if (lines.empty()) return "";
    return lines.back().value("trace_id", "");
  }
  // What the daemons served or refused under a trace id.
  static Served AllOf(const std::string& trace_id, const std::string& event) {
    Served all;
    for (const std::string& daemon : kDaemons) {
      for (const nlohmann::json& line : deployment_->LogLines(daemon, event)) {
        if (line.value("trace_id", "") == trace_id) all.insert(daemon + " " + line.value("rpc", ""));
      }
    }
    return all;
  }
  static std::set<std::string> DaemonsWith(const std::string& trace_id, const std::string& event) {
    std::set<std::string> daemons;
    for (const std::string& daemon : kDaemons) {
      for (const nlohmann::json& line : deployment_->LogLines(daemon, event)) {
        if (line.value("trace_id", "") == trace_id) daemons.insert(daemon);
      }
    }
    return daemons;
  }
  static void Provision() {
    const Finished provision =
        deployment_->Twictl({"provision", "--anticipated", deployment_->File("config/anticipated_results.json"),
                             "--release-policy", deployment_->File("config/release_policy.yaml"), "--target", kTarget,
                             "--out", deployment_->File("run/provisioned")});
    ASSERT_EQ(provision.exit_code, 0) << provision.err;
    deployment_->Edit("config/agent-D-snp.yaml", "KEY_ID", deployment_->Read("run/provisioned/key-id").substr(0, 32));
  }
};

TEST_F(TraceTest, OneGrepShowsAnAcquisitionAcrossTheDaemons) {
  ASSERT_NO_FATAL_FAILURE(Provision());
  const std::map<std::string, std::vector<std::string>> parts = {
      {"A", {"verifier RequestCredential", "claims_mapper MapClaims", "credential_authority IssueForVerifier"}},
      {"B", {"verifier Appraise", "credential_authority IssueFromResults", "claims_mapper MapClaims"}},
      {"C", {"credential_authority IssueFromEvidence", "verifier AppraiseForRelyingParty", "claims_mapper MapClaims"}},
      {"D", {"verifier Appraise", "key_store ReleaseKey"}},
  };
  std::set<std::string> ids;
  for (const auto& [mechanism, served] : parts) {
    const std::string agent = mechanism + "-snp";
    const Finished run = deployment_->RunAgent(agent);
    ASSERT_EQ(run.exit_code, 0) << agent << ": " << run.err;
    const std::string trace_id = TraceOf(agent, "credential_acquired");
    ASSERT_EQ(trace_id.size(), 32u);
    EXPECT_TRUE(ids.insert(trace_id).second) << "each acquisition has its own";
    const Served all = AllOf(trace_id, "served");
    for (const std::string& part : served) EXPECT_EQ(all.count(part), 1u) << agent << " misses " << part;
    EXPECT_EQ(DaemonsWith(trace_id, "appraised"), std::set<std::string>{kVerifier}) << "audit lines of decisions too";
    if (mechanism != "D") {
      EXPECT_EQ(all.count("key_store ReleaseKey"), 0u);
      const std::string serial =
          deployment_->LogLines("agent-" + agent, "credential_acquired").back().value("serial", "");
      const Finished record = deployment_->Twictl({"issuance", "--serial", serial});
      EXPECT_THAT(record.out, ::testing::HasSubstr(trace_id)) << "the issuance record too: " << record.err;
      EXPECT_EQ(DaemonsWith(trace_id, "issued"), std::set<std::string>{kCredentialAuthority}) << agent;
    }
  }
}

TEST_F(TraceTest, ARefusedAcquisitionIsFoundInTheSameWay) {
  const Finished run = deployment_->RunAgent("B-snp-unauthorized");
  ASSERT_EQ(run.exit_code, 1);
  const std::string trace_id = TraceOf("B-snp-unauthorized", "credential_not_acquired");
  ASSERT_EQ(trace_id.size(), 32u);
  EXPECT_EQ(AllOf(trace_id, "refused"), Served{"verifier Appraise"});
  EXPECT_EQ(AllOf(trace_id, "served").count("credential_authority IssueFromResults"), 0u);
}

}  // namespace
}  // namespace twi::integration
