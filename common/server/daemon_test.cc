// RunDaemon as an operator sees it: a process, its exit code, its log, its signals.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/server/echo_server.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using testing::TestPki;

// A started daemon, its standard output and error in one pipe.
class Process {
 public:
  explicit Process(std::vector<std::string> args) {
    args.insert(args.begin(), "common/server/echo_daemon");
    std::vector<char*> argv;
    for (std::string& a : args) argv.push_back(a.data());
    argv.push_back(nullptr);
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
    if (posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) std::abort();
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    out_ = fdopen(pipe_fds[0], "r");
  }
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::fclose(out_);
  }
  // Reads on until a line holds `text`; all that was read, or "" at the end of output.
  std::string ReadUntil(const std::string& text) {
    std::string read;
    char line[8192];
    while (std::fgets(line, sizeof line, out_) != nullptr) {
      read += line;
      if (std::string(line).find(text) != std::string::npos) return read;
    }
    all_ = read;
    return "";
  }
  std::string ReadAll() {
    ReadUntil("\x01 never");
    return all_;
  }
  void Signal(int signal) const { kill(pid_, signal); }
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  FILE* out_ = nullptr;
  std::string all_;
};

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() : pki_(absl::Now()), tls_(pki_.Issue("server", kServerId)) { WriteConfig(""); }
  void WriteConfig(const std::string& more) {
    config_ = pki_.dir().Write(
        "echo.yaml",
        absl::StrCat("server:\n  listen: 127.0.0.1:0\n  tls:\n    certificate_file: ", tls_.certificate_file(),
                     "\n    key_file: ", tls_.key_file(), "\n    trust_bundle_file: ", tls_.trust_bundle_file(),
                     "\n  allow:\n    - rpc: Say\n      peers: [", kClientId, "]\n", more));
  }
  std::string PortFile() const { return pki_.dir().File("port"); }
  // The file "log", as soon as it holds `text`; "" when it does not within 10 s.
  std::string LogWith(const std::string& text) const {
    for (const absl::Time end = absl::Now() + absl::Seconds(10); absl::Now() < end; std::this_thread::yield()) {
      const std::string log = pki_.dir().Read("log");
      if (log.find(text) != std::string::npos) return log;
    }
    return "";
  }

  TestPki pki_;
  config::v1::Tls tls_;
  std::string config_;
};

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

TEST_F(DaemonTest, RefusesABadReloadAndGoesOn) {
  Process daemon({"--config", config_});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  WriteConfig("text: bad\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""), HasSubstr("expected anything but bad"));
  WriteConfig("text: unloadable\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""), HasSubstr("cannot be changed"));
  WriteConfig("unknown: 1\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""), HasSubstr("echo.yaml:10:1: unknown key"));
  WriteConfig("log: {level: loud}\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""),
              HasSubstr("echo.yaml:10:14: log.level: expected debug, info, warn or error"));
  WriteConfig("");
  daemon.Signal(SIGHUP);
  EXPECT_NE(daemon.ReadUntil("\"event\":\"reloaded\""), "");
  daemon.Signal(SIGTERM);
  daemon.ReadUntil("\"event\":\"stopped\"");
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST_F(DaemonTest, ChangesTheLogLevelOnSighup) {
  Process daemon({"--config", config_, "--port-file", PortFile()});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  ASSERT_OK_AND_ASSIGN(const auto identity, client::Identity::FromFiles(pki_.Issue("client", kClientId)));
  // gRPC's remark at each handshake is a debug line.
  const auto lines_of_a_call = [&](const std::string& level) {
    WriteConfig("log: {level: " + level + "}\n" + (level == "error" ? "text: heard\n" : ""));
    daemon.Signal(SIGHUP);
    if (level == "error") {
      // "reloaded" is not written at this level. So: a line of the daemon's own says that this reload has begun, and
      // the refusal of the next one that it is over.
      EXPECT_NE(daemon.ReadUntil("\"event\":\"heard\""), "");
      WriteConfig("text: bad\n");
      daemon.Signal(SIGHUP);
      EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""),
                  ::testing::AllOf(HasSubstr("anything but bad"), ::testing::Not(HasSubstr("\"event\":\"reloaded\""))));
    } else {
      EXPECT_NE(daemon.ReadUntil("\"event\":\"reloaded\""), "");
    }
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", absl::StripAsciiWhitespace(pki_.dir().Read("port"))));
    peer.set_spiffe_id(kServerId);
    EXPECT_TRUE(Say(*testing::Echo::NewStub(*client::MakeChannel(peer, *identity))).status.ok());
    return daemon.ReadUntil("\"event\":\"served\"");
  };
  EXPECT_THAT(lines_of_a_call("info"), ::testing::Not(HasSubstr("\"level\":\"debug\"")));
  EXPECT_THAT(lines_of_a_call("debug"), HasSubstr("\"level\":\"debug\""));
  EXPECT_THAT(lines_of_a_call("info"), ::testing::Not(HasSubstr("\"level\":\"debug\"")));
  WriteConfig("log: {level: loud}\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""), HasSubstr("expected debug, info, warn or error"));
  EXPECT_NE(lines_of_a_call("error"), "") << "audit lines are written at every level";
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0);
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

TEST_F(DaemonTest, SaysWhatAReloadChangedAndWhatNeedsARestart) {
  Process daemon({"--config", config_});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  WriteConfig("text: new\nlog: {level: debug}\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reloaded\""), HasSubstr("\"changed\":\"log,text\""));
  // What is in force now is what the next file is compared with; what needed a restart still does.
  WriteConfig("text: new\nlog: {level: debug}\ninsecure_thing: {}\nmore: [{text: x}]\n");
  for (int i = 0; i < 2; ++i) {
    daemon.Signal(SIGHUP);
    EXPECT_THAT(daemon.ReadUntil("\"event\":\"reloaded\""), HasSubstr("\"changed\":\"\""));
    EXPECT_THAT(daemon.ReadUntil("\"event\":\"restart_needed\""), HasSubstr("\"changed\":\"insecure_thing,more\""));
  }
  WriteConfig("text: new\nlog: {level: error}\n");
  daemon.Signal(SIGHUP);  // says nothing any more, but that the level is error
  daemon.Signal(SIGTERM);
  EXPECT_THAT(daemon.ReadAll(), ::testing::Not(HasSubstr("stopped")));
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST_F(DaemonTest, WhatComesIntoForceIsCheckedAsAWhole) {
  Process daemon({"--config", config_});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  // Good as it stands, but insecure_thing needs a restart, and without it the text is not good.
  WriteConfig("text: thing\ninsecure_thing: {}\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reload_refused\""),
              HasSubstr("in force until a restart: " + config_ + ":10:7: text: expected insecure_thing beside it"));
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"restart_needed\""), HasSubstr("\"changed\":\"insecure_thing\""))
      << "also when it is refused";
  WriteConfig("text: new\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(daemon.ReadUntil("\"event\":\"reloaded\""), HasSubstr("\"changed\":\"text\"")) << "it was not in force";
  daemon.Signal(SIGTERM);
  EXPECT_NE(daemon.ReadUntil("\"event\":\"stopped\""), "");
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST_F(DaemonTest, ALogThatCannotBeOpenedIsAnEventOfItsOwn) {
  Process daemon({"--config", config_});
  ASSERT_NE(daemon.ReadUntil("\"event\":\"listening\""), "");
  // What --check-config cannot see: a link to a file in a folder that is not there.
  ASSERT_EQ(symlink("/nonexistent/log", pki_.dir().File("dangling").c_str()), 0);
  WriteConfig("text: new\nlog: {file: " + pki_.dir().File("dangling") + "}\n");
  daemon.Signal(SIGHUP);
  const std::string lines = daemon.ReadUntil("\"event\":\"reloaded\"");
  EXPECT_THAT(lines, HasSubstr("\"event\":\"log_not_opened\""));
  EXPECT_THAT(lines, HasSubstr("\"changed\":\"log,text\"")) << "in force: the log says so where it was";
  EXPECT_THAT(lines, ::testing::Not(HasSubstr("reload_refused")));
  daemon.Signal(SIGTERM);
  EXPECT_NE(daemon.ReadUntil("\"event\":\"stopped\""), "");
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST_F(DaemonTest, ARefusedReloadOpensTheLogAnewAllTheSame) {
  WriteConfig("log: {file: " + pki_.dir().File("log") + "}\n");
  Process daemon({"--config", config_});
  ASSERT_NE(LogWith("\"event\":\"listening\""), "");
  ASSERT_EQ(std::rename(pki_.dir().File("log").c_str(), pki_.dir().File("log.1").c_str()), 0);
  WriteConfig("text: bad\n");
  daemon.Signal(SIGHUP);
  EXPECT_THAT(LogWith("\"event\":\"reload_refused\""), HasSubstr("expected anything but bad"));
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0);
  EXPECT_THAT(pki_.dir().Read("log.1"), ::testing::Not(HasSubstr("reload_refused")));
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
                  "echo.yaml:8:12: server.allow[0].rpc: expected one of Say, Hold, Refuse, Open, Check, got \"Sya\""},
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
