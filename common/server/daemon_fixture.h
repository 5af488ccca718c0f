// A daemon of the test's own config, started as a process. Tests only.
#ifndef TWI_COMMON_SERVER_DAEMON_FIXTURE_H_
#define TWI_COMMON_SERVER_DAEMON_FIXTURE_H_

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/server/echo_server.h"
#include "gtest/gtest.h"

namespace twi::server {

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

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_DAEMON_FIXTURE_H_
