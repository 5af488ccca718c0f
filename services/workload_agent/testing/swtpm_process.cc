#include "services/workload_agent/testing/swtpm_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace twi::agent::testing {
namespace {

constexpr char kSwtpm[] = "/usr/bin/swtpm";

bool Accepts(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool accepts = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return accepts;
}

}  // namespace

std::unique_ptr<SwtpmProcess> SwtpmProcess::Start() {
  if (::access(kSwtpm, X_OK) != 0) return nullptr;
  std::unique_ptr<SwtpmProcess> process(new SwtpmProcess());
  return process->Launch() ? std::move(process) : nullptr;
}

bool SwtpmProcess::Launch() {
  const std::string socket = dir_.File("sock"), control = socket + ".ctrl";
  const std::string state = dir_.File("state");
  ::mkdir(state.c_str(), 0700);
  ::unlink(socket.c_str());  // of one that was killed
  ::unlink(control.c_str());
  const std::string arguments[] = {"swtpm",
                                   "socket",
                                   "--tpm2",
                                   "--tpmstate",
                                   "dir=" + state,
                                   "--server",
                                   "type=unixio,path=" + socket,
                                   "--ctrl",
                                   "type=unixio,path=" + control,
                                   "--flags",
                                   "not-need-init,startup-clear",
                                   "--log",
                                   "level=0,file=" + dir_.File("log")};
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // never outlives the test
    ::execv(kSwtpm, argv.data());
    ::_exit(127);
  }
  // Another program's start cannot be waited for but by asking: up to 10 s, as soon as it listens.
  for (int i = 0; i < 1000; ++i) {
    if (Accepts(control)) return true;
    ::poll(nullptr, 0, 10);
  }
  return false;
}

void SwtpmProcess::Stop() const { ::kill(pid_, SIGSTOP); }
void SwtpmProcess::Continue() const { ::kill(pid_, SIGCONT); }

bool SwtpmProcess::Restart() {
  Kill();
  return Launch();
}

SwtpmProcess::~SwtpmProcess() { Kill(); }

void SwtpmProcess::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace twi::agent::testing
