#include "services/workload_agent/hook.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status/deny.h"

extern char** environ;

namespace twi::agent {
namespace {

constexpr std::size_t kMaxOutput = 4096;
constexpr char kDirectoryVariable[] = "TWI_CREDENTIAL_DIRECTORY=";

absl::Status Failed(absl::string_view what) { return Deny(v1::DENY_REASON_AGENT_HOOK_FAILED, what); }

// The child's pid, or a negative errno. `output` becomes its standard output and error.
pid_t Spawn(const std::vector<std::string>& arguments, const std::string& credential_directory, int output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string variable = kDirectoryVariable + credential_directory;
  std::vector<char*> env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!absl::StartsWith(*entry, kDirectoryVariable)) env.push_back(*entry);
  }
  env.push_back(const_cast<char*>(variable.c_str()));
  env.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, output, 2);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);  // the agent blocks signals in its threads; its children must not
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, argv[0], &files, &attributes, argv.data(), env.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error == 0 ? pid : -error;
}

// Collects output until the child ends or `timeout` is over. False: over.
bool WaitForEnd(int child, int output, absl::Duration timeout, std::string& collected) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(timeout);
  pollfd watched[] = {{child, POLLIN, 0}, {output, POLLIN, 0}};
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    const int ready = ::poll(watched, 2, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    if (watched[1].revents != 0) {
      char buffer[1024];
      const ssize_t n = ::read(output, buffer, sizeof buffer);
      if (n > 0 && collected.size() < kMaxOutput)
        collected.append(buffer, std::min(static_cast<std::size_t>(n), kMaxOutput - collected.size()));
      if (n == 0) watched[1].fd = -1;  // closed by all writers
      continue;                        // first all output, then the end
    }
    if (watched[0].revents != 0) return true;
  }
}

}  // namespace

std::vector<std::string> HookArguments(absl::string_view command) {
  return absl::StrSplit(command, ' ', absl::SkipEmpty());
}

HookResult RunHook(const std::vector<std::string>& arguments, const std::string& credential_directory,
                   absl::Duration timeout) {
  if (arguments.empty()) return {Failed("empty command"), ""};
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return {Failed(absl::StrCat("pipe: ", std::strerror(errno))), ""};
  ::fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  const pid_t pid = Spawn(arguments, credential_directory, pipe_ends[1]);
  ::close(pipe_ends[1]);
  if (pid < 0) {
    ::close(pipe_ends[0]);
    return {Failed(absl::StrCat(arguments[0], ": ", std::strerror(-pid))), ""};
  }
  HookResult result;
  const int child =
      static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));  // glibc 2.36 declares pidfd_open without extern "C"
  const bool ended = child >= 0 && WaitForEnd(child, pipe_ends[0], timeout, result.output);
  if (!ended) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (child >= 0) ::close(child);
  ::close(pipe_ends[0]);
  if (!ended) {
    result.status = Failed(absl::StrCat(arguments[0], ": killed, not done within ", absl::FormatDuration(timeout)));
  } else if (WIFSIGNALED(status)) {
    result.status = Failed(absl::StrCat(arguments[0], ": killed by signal ", WTERMSIG(status)));
  } else if (WEXITSTATUS(status) != 0) {
    result.status = Failed(absl::StrCat(arguments[0], ": exit code ", WEXITSTATUS(status)));
  }
  return result;
}

}  // namespace twi::agent
