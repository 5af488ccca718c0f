// SIGHUP as an operator sees it: what changes, what is refused, what needs a restart, and what the log says of it.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/server/daemon_fixture.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace twi::server
