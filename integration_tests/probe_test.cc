// --probe of every daemon against the running one: live, ready and started, and what makes each of them say no.
#include <signal.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "integration_tests/deployment_fixture.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;

// Each test breaks something: a deployment of its own.
class ProbeTest : public ::testing::Test {
 protected:
  void ExpectGood(const std::string& daemon, const std::string& question) const {
    const Finished probe = deployment_.Probe(daemon, question);
    EXPECT_EQ(probe.exit_code, 0) << daemon << " " << probe.out << probe.err;
    EXPECT_THAT(probe.out, HasSubstr(": " + question + "\n"));
    EXPECT_EQ(probe.err, "");
  }
  void ExpectBad(const std::string& daemon, const std::string& question, const std::string& why) const {
    const Finished probe = deployment_.Probe(daemon, question);
    EXPECT_EQ(probe.exit_code, 1) << daemon << " " << probe.out << probe.err;
    EXPECT_THAT(probe.out, HasSubstr("not " + question + ": "));
    EXPECT_THAT(probe.out, HasSubstr(why));
    EXPECT_EQ(probe.err, "");
  }
  void Sql(const std::string& daemon, const std::string& sql) const {
    const Finished done = integration::Run({"/usr/bin/sqlite3", "-bail", DatabaseOf(daemon), sql});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }
  std::string DatabaseOf(const std::string& daemon) const {
    const std::string config = deployment_.Read("config/" + daemon + ".yaml"), key = "database_file: ";
    const std::size_t at = config.find(key) + key.size();
    return config.substr(at, config.find_first_of(",}\n", at) - at);
  }
  // The agent's socket, named in its config.
  void GiveSocket(const std::string& agent) const {
    deployment_.Append("config/agent-" + agent + ".yaml",
                       "listen: \"unix:" + deployment_.File("run/agent.sock") + "\"\n");
  }
  Finished ProbeAgent(const std::string& agent, const std::string& question) const {
    return integration::Run({Runfile("services/workload_agent/workload_agent"), "--config",
                             deployment_.File("config/agent-" + agent + ".yaml"), "--probe", question});
  }

  Deployment deployment_;
};

TEST_F(ProbeTest, EveryDaemonAnswersAndOneThatIsGoneDoesNot) {
  for (const std::string& daemon : kDaemons) ExpectBad(daemon, "live", "");
  deployment_.StartAll();
  for (const std::string& daemon : kDaemons) {
    for (const char* question : {"live", "ready", "started"}) ExpectGood(daemon, question);
    EXPECT_TRUE(deployment_.LogLines(daemon, "refused").empty());
  }
  for (const std::string& daemon : kDaemons) {
    deployment_.Kill(daemon);
    for (const char* question : {"live", "ready", "started"}) ExpectBad(daemon, question, "");
  }
}

TEST_F(ProbeTest, AStoppedProcessIsNotLive) {
  deployment_.Start(kClaimsMapper);
  ExpectGood(kClaimsMapper, "live");
  deployment_.Signal(kClaimsMapper, SIGSTOP);
  ExpectBad(kClaimsMapper, "live", "");
  deployment_.Signal(kClaimsMapper, SIGCONT);
  ExpectGood(kClaimsMapper, "live");
}

TEST_F(ProbeTest, AMissingSigningKeyIsNotReady) {
  for (const std::string& daemon : kDaemons) {
    deployment_.Start(daemon);
    ExpectGood(daemon, "ready");
    Sql(daemon, "DELETE FROM signing_keys");
    ExpectBad(daemon, "ready", "KEY_UNKNOWN");
    ExpectGood(daemon, "live");
    ExpectGood(daemon, "started");
    EXPECT_EQ(deployment_.LogLines(daemon, "not_ready").size(), 1u);
  }
}

TEST_F(ProbeTest, AMissingIssuingKeyIsNotReady) {
  deployment_.Start(kCredentialAuthority);
  Sql(kCredentialAuthority, "DELETE FROM x509_authority");
  ExpectBad(kCredentialAuthority, "ready", "KEY_UNKNOWN: the issuing key");
}

TEST_F(ProbeTest, AStoreThatIsGoneIsNotReady) {
  for (const std::string& daemon : kDaemons) {
    deployment_.Start(daemon);
    const std::string file = DatabaseOf(daemon);
    ASSERT_EQ(std::rename(file.c_str(), (file + ".away").c_str()), 0) << file;
    ExpectBad(daemon, "ready", "STORAGE_FAILED");
    ExpectGood(daemon, "live");
    ASSERT_EQ(std::rename((file + ".away").c_str(), file.c_str()), 0);
    ExpectGood(daemon, "ready");
  }
}

TEST_F(ProbeTest, TheAgentIsReadyAndStartedOnlyWithACredential) {
  deployment_.StartAll();
  GiveSocket("B-snp-unauthorized");
  {
    const Process agent = deployment_.StartAgent("B-snp-unauthorized");
    EXPECT_TRUE(WaitUntil([&] { return ProbeAgent("B-snp-unauthorized", "live").exit_code == 0; }));
    EXPECT_TRUE(WaitUntil(
        [&] { return absl::StrContains(ProbeAgent("B-snp-unauthorized", "ready").out, "MEASUREMENT_UNKNOWN"); }));
    const Finished started = ProbeAgent("B-snp-unauthorized", "started");
    EXPECT_EQ(started.exit_code, 1);
    EXPECT_THAT(started.out, HasSubstr("not started: CREDENTIAL_INVALID: no credential was acquired"));
  }
  GiveSocket("B-snp");
  const Process agent = deployment_.StartAgent("B-snp");
  EXPECT_TRUE(WaitUntil([&] { return ProbeAgent("B-snp", "started").exit_code == 0; }));
  EXPECT_EQ(ProbeAgent("B-snp", "ready").exit_code, 0);
  const Finished without_socket = ProbeAgent("A-snp", "live");
  EXPECT_EQ(without_socket.exit_code, 1);
  EXPECT_THAT(without_socket.out, HasSubstr("listen is not set"));
}

}  // namespace
}  // namespace twi::integration
