#include "common/attested_tls/testing/loopback.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace twi::atls::testing {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::abort();
}

void PollOne(int fd, short events) {
  pollfd wait{fd, events, 0};
  poll(&wait, 1, 10'000);
}

}  // namespace

SocketPair::SocketPair() { Renew(); }
SocketPair::~SocketPair() {
  Close(0);
  Close(1);
}
void SocketPair::Renew() {
  Close(0);
  Close(1);
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_) == 0, "socketpair");
}
void SocketPair::Close(int end) {
  if (fds_[end] >= 0) close(fds_[end]);
  fds_[end] = -1;
}

struct Waker::Event {
  Event() : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { Require(fd >= 0, "eventfd"); }
  ~Event() { close(fd); }
  const int fd;
};

Waker::Waker() : event_(std::make_shared<const Event>()) {}
Waker::~Waker() = default;
int Waker::fd() const { return event_->fd; }
std::function<void()> Waker::callback() const {
  return [event = event_] {
    const std::uint64_t one = 1;
    Require(write(event->fd, &one, sizeof(one)) == sizeof(one), "eventfd write");
  };
}
void Waker::Clear() const {
  std::uint64_t count = 0;
  if (read(event_->fd, &count, sizeof(count)) < 0) return;  // nobody has called
}

End::End(Settings settings, int fd, const Clock& clock, const Waker& waker) : fd_(fd) {
  auto endpoint = Endpoint::Make(std::move(settings), clock);
  if (!endpoint.ok()) std::fprintf(stderr, "%s\n", endpoint.status().ToString().c_str());
  Require(endpoint.ok(), "Endpoint::Make");
  endpoint_ = *std::move(endpoint);
  auto connection = endpoint_->Open(fd, waker.callback(), clock.Now());
  Require(connection.ok(), "Endpoint::Open");
  connection_ = *std::move(connection);
}

Progress End::Advance(absl::Time now) {
  progress_ = connection_->Advance(now);
  return progress_;
}

std::string End::ReadAll(std::size_t size) {
  std::string got;
  char buffer[16384];
  while (got.size() < size) {
    const IoResult result = connection_->Read(buffer, std::min(sizeof(buffer), size - got.size()));
    if (result.kind == IoResult::Kind::kDone) {
      got.append(buffer, result.bytes);
    } else if (result.kind == IoResult::Kind::kAgain) {
      continue;
    } else if (result.kind == IoResult::Kind::kWouldBlock) {
      pollfd wait{fd_, static_cast<short>(result.want_write ? POLLOUT : POLLIN), 0};
      if (poll(&wait, 1, 10'000) <= 0) break;
    } else {
      break;
    }
  }
  return got;
}

void End::WriteAll(absl::string_view bytes) {
  while (!bytes.empty()) {
    const IoResult result = connection_->Write(bytes);
    if (result.kind == IoResult::Kind::kDone) {
      bytes.remove_prefix(result.bytes);
    } else if (result.kind == IoResult::Kind::kWouldBlock) {
      PollOne(fd_, result.want_write ? POLLOUT : POLLIN);
    } else if (result.kind != IoResult::Kind::kAgain) {
      return;
    }
  }
}

bool DriveUntil(const Waker& waker, const std::vector<int>& fds, const std::function<void()>& step,
                const std::function<bool()>& done) {
  const absl::Time limit = absl::Now() + absl::Seconds(20);
  while (absl::Now() < limit) {
    step();
    if (done()) return true;
    std::vector<pollfd> waits = {{waker.fd(), POLLIN, 0}};
    for (const int fd : fds) waits.push_back({fd, POLLIN, 0});
    poll(waits.data(), waits.size(), 20);
    waker.Clear();
  }
  return false;
}

Settings ServerSettings(std::vector<Profile> profiles, std::shared_ptr<const Attester> attester) {
  Settings settings;
  settings.role = Role::kServer;
  settings.profiles = std::move(profiles);
  settings.attester = std::move(attester);
  settings.attester_workers = std::make_shared<Workers>(2, 64);
  settings.verifier_workers = std::make_shared<Workers>(2, 64);
  return settings;
}

Settings ClientSettings(std::vector<Profile> profiles, RelyingParty party) {
  Settings settings;
  settings.role = Role::kClient;
  settings.profiles = std::move(profiles);
  settings.relying_party = std::make_shared<const RelyingParty>(std::move(party));
  settings.attester_workers = std::make_shared<Workers>(2, 64);
  settings.verifier_workers = std::make_shared<Workers>(2, 64);
  return settings;
}

}  // namespace twi::atls::testing
