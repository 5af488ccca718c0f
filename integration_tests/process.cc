#include "integration_tests/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/testing/temp_dir.h"

namespace twi::integration {
namespace {

constexpr char kSetpriv[] = "/usr/bin/setpriv";  // util-linux, on every Debian

int PollMillis(absl::Duration limit) { return static_cast<int>(absl::ToInt64Milliseconds(limit)); }

[[noreturn]] void Die(const char* what, const std::string& detail) {
  std::fprintf(stderr, "%s: %s\n", what, detail.c_str());
  std::abort();
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

bool WaitUntil(const std::function<bool()>& holds, absl::Duration limit) {
  for (const absl::Time end = absl::Now() + limit; absl::Now() < end; ::poll(nullptr, 0, 10)) {
    if (holds()) return true;
  }
  return holds();
}

Process Process::Start(const std::vector<std::string>& argv, const std::string& out_file, const std::string& err_file,
                       const std::vector<std::string>& environment) {
  // The kernel kills it when we die in whatever way: a test that is killed leaves no daemon behind.
  std::vector<std::string> words = {kSetpriv, "--pdeathsig", "KILL", "--"};
  words.insert(words.end(), argv.begin(), argv.end());
  std::vector<std::string> variables = environment;
  const char* path = std::getenv("PATH");
  variables.push_back(std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin"));

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  Process process;
  const int failed =
      ::posix_spawn(&process.pid_, kSetpriv, &files, &attributes, Pointers(words).data(), Pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) Die(argv[0].c_str(), std::strerror(failed));
  return process;
}

Process::~Process() { Kill(); }
Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

void Process::Signal(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

bool Process::Ended(absl::Duration limit, int* exit_code) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (fd < 0) Die("pidfd_open", std::strerror(errno));
  pollfd ended{fd, POLLIN, 0};
  const bool done = ::poll(&ended, 1, PollMillis(limit)) == 1;
  ::close(fd);
  int status = 0;
  if (!done || ::waitpid(pid_, &status, 0) != pid_) return false;
  *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  ::kill(-pid_, SIGKILL);  // what it may have left in its group
  pid_ = -1;
  return true;
}

void Process::Kill() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Finished Run(const std::vector<std::string>& argv, const std::vector<std::string>& environment, absl::Duration limit) {
  const twi::testing::TempDir dir;
  Process process = Process::Start(argv, dir.File("out"), dir.File("err"), environment);
  Finished finished;
  if (!process.Ended(limit, &finished.exit_code)) {
    process.Kill();
    finished.exit_code = -SIGKILL;
  }
  finished.out = dir.Read("out");
  finished.err = dir.Read("err");
  return finished;
}

}  // namespace twi::integration
