// RunDaemon as an operator sees it: a process, its exit code, its log, its signals (SIGHUP: daemon_reload_test.cc).
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/server/daemon_fixture.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace twi::server {
namespace {

using ::testing::HasSubstr;

TEST_F(DaemonTest, ServesUntilSigterm) {
  Process daemon({"--config", config_, "--port-file", PortFile()});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  ASSERT_OK_AND_ASSIGN(const auto identity, client::Identity::FromFiles(pki_.Issue("client", kClientId)));
  // The file appears whole, after "listening": wait for it through the next line that we cause.
  daemon.Signal(SIGHUP);
  ASSERT_NE(daemon.ReadUntil("\"event\":\"reloaded\""), "");
  const std::string port(absl::StripAsciiWhitespace(pki_.dir().Read("port")));
  config::v1::Peer peer;
  peer.set_address("127.0.0.1:" + port);
  peer.set_spiffe_id(kServerId);
  ASSERT_OK_AND_ASSIGN(const auto channel, client::MakeChannel(peer, *identity));
  EXPECT_TRUE(Say(*testing::Echo::NewStub(channel)).status.ok());
  daemon.Signal(SIGTERM);
  EXPECT_NE(daemon.ReadUntil("\"event\":\"stopped\""), "");
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST_F(DaemonTest, StopsOnSigint) {
  Process daemon({"--config=" + config_});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  daemon.Signal(SIGINT);
  EXPECT_NE(daemon.ReadUntil("\"event\":\"drained\""), "");
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST_F(DaemonTest, EveryLineIsJson) {
  WriteConfig("log: {level: debug}\n");
  Process daemon({"--config", config_});
  std::string lines = daemon.ReadUntil("\"event\":\"listening\"");
  daemon.Signal(SIGTERM);
  lines += daemon.ReadUntil("\"event\":\"stopped\"");
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST_F(DaemonTest, NamesEveryInsecureSetting) {
  WriteConfig("insecure_thing: {}\nmore:\n  - more:\n    - insecure_thing: {}\n");
  Process daemon({"--config", config_});
  const std::string lines = daemon.ReadUntil("\"event\":\"listening\"");
  EXPECT_THAT(lines, HasSubstr("\"event\":\"insecure_setting\",\"field\":\"insecure_thing\""));
  EXPECT_THAT(lines, HasSubstr("\"event\":\"insecure_setting\",\"field\":\"more[0].more[0].insecure_thing\""));
}

TEST_F(DaemonTest, ProbeAsksTheRunningDaemon) {
  const auto probe = [&](std::vector<std::string> more) {
    std::vector<std::string> args = {"--config", config_, "--port-file", PortFile()};
    args.insert(args.end(), more.begin(), more.end());
    Process process(args);
    const std::string said = process.ReadAll();
    return std::make_pair(process.Wait(), said);
  };
  EXPECT_EQ(probe({"--probe", "live"}).first, 1) << "nothing listens yet";
  Process daemon({"--config", config_, "--port-file", PortFile()});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  daemon.Signal(SIGHUP);  // the port file is there when this is answered
  ASSERT_NE(daemon.ReadUntil("\"event\":\"reloaded\""), "");
  EXPECT_EQ(probe({"--probe"}), std::make_pair(0, std::string("echo: ready\n")));
  EXPECT_EQ(probe({"--probe=started"}), std::make_pair(0, std::string("echo: started\n")));
  EXPECT_EQ(probe({"--probe", "live"}), std::make_pair(0, std::string("echo: live\n")));
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0);
  EXPECT_EQ(probe({"--probe", "live"}).first, 1);
}

TEST_F(DaemonTest, CheckConfigSaysGoodAndDoesNotListen) {
  WriteConfig("insecure_thing: {}\n");
  Process daemon({"--config", config_, "--check-config", "--port-file", PortFile()});
  const std::string out = daemon.ReadAll();
  EXPECT_THAT(out, HasSubstr("echo.yaml: good"));
  EXPECT_THAT(out, HasSubstr("insecure setting: insecure_thing"));
  EXPECT_EQ(daemon.Wait(), 0);
  EXPECT_NE(access(PortFile().c_str(), F_OK), 0);
}

struct BadRun {
  const char* name;
  std::string more_config;
  std::vector<std::string> args;
  const char* says;
};
class DaemonRefusalTest : public DaemonTest, public ::testing::WithParamInterface<BadRun> {};

TEST_P(DaemonRefusalTest, EndsWithUsageOrConfig) {
  WriteConfig(GetParam().more_config);
  std::vector<std::string> args = GetParam().args;
  for (std::string& arg : args) arg = absl::StrReplaceAll(arg, {{"CONFIG", config_}});
  Process daemon(args);
  EXPECT_THAT(daemon.ReadAll(), HasSubstr(GetParam().says));
  EXPECT_EQ(daemon.Wait(), 2);
}

INSTANTIATE_TEST_SUITE_P(
    All, DaemonRefusalTest,
    ::testing::Values(
        BadRun{"NoConfig", "", {}, "--config FILE is required"},
        BadRun{"UnknownFlag", "", {"--config", "CONFIG", "--verbose"}, "unknown argument --verbose"},
        BadRun{"UnknownProbe", "", {"--config", "CONFIG", "--probe", "well"}, "expected live, ready or started"},
        BadRun{"CheckAndProbe", "", {"--config", "CONFIG", "--check-config", "--probe"}, "--check-config and --probe"},
        BadRun{"ProbeTwice", "", {"--config", "CONFIG", "--probe=live", "--probe"}, "--probe given twice"},
        BadRun{"MissingFile", "", {"--config", "/nonexistent.yaml"}, "No such file"},
        BadRun{"CheckBadConfig",
               "text: bad\n",
               {"--config", "CONFIG", "--check-config"},
               "echo.yaml:10:7: text: expected anything but bad"},
        BadRun{"UnknownKey", "txt: x\n", {"--config", "CONFIG"}, "unknown key \"txt\"; did you mean \"text\"?"},
        BadRun{"LogLevel",
               "log: {level: loud}\n",
               {"--config", "CONFIG", "--check-config"},
               "echo.yaml:10:14: log.level: expected debug, info, warn or error"},
        BadRun{"LogFolder",
               "log: {file: /nonexistent/log}\n",
               {"--config", "CONFIG", "--check-config"},
               "echo.yaml:10:13: log.file: /nonexistent/: No such file"},
        BadRun{
            "LogIsAFolder", "log: {file: /}\n", {"--config", "CONFIG"}, "echo.yaml:10:13: log.file: /: Is a directory"},
        BadRun{"PortFileNowhere", "", {"--config", "CONFIG", "--port-file", "/nonexistent/port"}, "--port-file"}),
    [](const auto& info) { return info.param.name; });

// The server's section, which starts at line 1: what is wrong with it, by --check-config and by a start alike.
struct BadServer {
  const char* name;
  std::string from, to;
  const char* says;
};
class ServerSectionTest : public DaemonTest, public ::testing::WithParamInterface<BadServer> {};

TEST_P(ServerSectionTest, IsRefusedAtItsPlaceByCheckConfigAndAtStart) {
  pki_.dir().Write("empty.pem", "");
  pki_.dir().Write("open.key", pki_.dir().Read("server.key"), 0644);
  pki_.dir().Write("open.crt", pki_.dir().Read("server.crt"), 0666);
  const auto other = pki_.Issue("other", kClientId);
  ASSERT_FALSE(other.key_file().empty());
  const std::string before = pki_.dir().Read("echo.yaml");
  const std::string folder = pki_.dir().File("");
  const std::string after = absl::StrReplaceAll(before, {{absl::StrReplaceAll(GetParam().from, {{"DIR/", folder}}),
                                                          absl::StrReplaceAll(GetParam().to, {{"DIR/", folder}})}});
  ASSERT_NE(before, after);
  pki_.dir().Write("echo.yaml", after);
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--check-config"}, std::vector<std::string>{}}) {
    std::vector<std::string> args{"--config", config_};
    args.insert(args.end(), more.begin(), more.end());
    Process daemon(args);
    EXPECT_THAT(daemon.ReadAll(), HasSubstr(GetParam().says));
    EXPECT_EQ(daemon.Wait(), 2);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ServerSectionTest,
    ::testing::Values(
        BadServer{"Listen", "127.0.0.1:0", "localhost", "echo.yaml:2:11: server.listen: expected ADDRESS:PORT"},
        BadServer{"NoCertificate", "DIR/server.crt", "/nonexistent.crt",
                  "echo.yaml:4:23: server.tls.certificate_file: /nonexistent.crt: No such file"},
        BadServer{"CertificateOthersMayWrite", "DIR/server.crt", "DIR/open.crt",
                  "echo.yaml:4:23: server.tls.certificate_file: "},
        BadServer{"NoKey", "DIR/server.key", "/nonexistent.key", "echo.yaml:5:15: server.tls.key_file: "},
        BadServer{"KeyOthersMayRead", "DIR/server.key", "DIR/open.key", "others may read this file; chmod go-rwx"},
        BadServer{"AnotherKey", "DIR/server.key", "DIR/other.key", "is not the key of the certificate in"},
        BadServer{"EmptyBundle", "DIR/ca.crt", "DIR/empty.pem", "echo.yaml:6:24: server.tls.trust_bundle_file: "},
        BadServer{"UnknownRpc", "rpc: Say", "rpc: Sya",
                  "echo.yaml:8:12: server.allow[0].rpc: expected one of Say, Hold, Refuse, Open, Check, "
                  "ServerReflectionInfo, got \"Sya\""},
        BadServer{"Peer", "peers: [spiffe://", "peers: [spiffe:/",
                  "echo.yaml:9:15: server.allow[0].peers[0]: expected a SPIFFE ID or attested_key"},
        BadServer{"RpcTwice", "  allow:\n", "  allow:\n    - {rpc: Say, peers: [attested_key]}\n",
                  "echo.yaml:9:12: server.allow[1].rpc: Say stands there twice"},
        BadServer{"Metrics", "  allow:\n",
                  "  metrics: {listen: \"0.0.0.0:1\", peers: [\"spiffe://test.example/x\"]}\n  allow:\n",
                  "echo.yaml:7:12: server.metrics.tls: expected a section: no metrics over plaintext TCP"},
        BadServer{"MetricsForNobody", "  allow:\n", "  metrics: {listen: \"unix:/run/m.sock\"}\n  allow:\n",
                  "echo.yaml:7:12: server.metrics.peers: expected at least one"},
        BadServer{"Deadline", "  allow:\n", "  max_deadline: 24h\n  allow:\n",
                  "echo.yaml:7:17: server.max_deadline: expected"}),
    [](const auto& info) { return info.param.name; });

TEST_F(DaemonTest, RefusesConfigThatOthersMayWrite) {
  chmod(config_.c_str(), 0666);
  Process daemon({"--config", config_});
  EXPECT_THAT(daemon.ReadAll(), HasSubstr("group or others may write"));
  EXPECT_EQ(daemon.Wait(), 2);
}

TEST_F(DaemonTest, RefusesAPortThatIsTaken) {
  Process first({"--config", config_, "--port-file", PortFile()});
  first.ReadUntil("\"event\":\"listening\"");
  first.Signal(SIGHUP);
  first.ReadUntil("\"event\":\"reloaded\"");
  const std::string port(absl::StripAsciiWhitespace(pki_.dir().Read("port")));
  const std::string taken = pki_.dir().Write(
      "taken.yaml", absl::StrReplaceAll(pki_.dir().Read("echo.yaml"), {{"127.0.0.1:0", "127.0.0.1:" + port}}));
  Process second({"--config", taken});
  const std::string said = second.ReadAll();
  EXPECT_THAT(said, HasSubstr("could_not_start"));
  EXPECT_THAT(said, HasSubstr(absl::StrCat("taken.yaml:2:11: server.listen: cannot listen on 127.0.0.1:", port,
                                           ": Address already in use")));
  EXPECT_EQ(second.Wait(), 2);
}

TEST_F(DaemonTest, HelpAndVersion) {
  Process help({"--help"});
  EXPECT_THAT(help.ReadAll(), HasSubstr("usage: echo --config FILE"));
  EXPECT_EQ(help.Wait(), 0);
  Process version({"--version"});
  EXPECT_THAT(version.ReadAll(), HasSubstr("echo 0."));
  EXPECT_EQ(version.Wait(), 0);
}

}  // namespace
}  // namespace twi::server
