#include "services/workload_agent/tunnel/tunnel_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <utility>

#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"

namespace twi::agent {
namespace {

constexpr std::uint64_t kInboxId = 0;
constexpr int kMaxEvents = 256, kAcceptsPerTurn = 64;
// Deadlines are looked at this often: a timeout is late by this much at most.
constexpr absl::Duration kSweep = absl::Milliseconds(100);

}  // namespace

Listener::~Listener() { close(fd_); }

Inbox::Inbox() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
Inbox::~Inbox() { close(fd_); }

void Inbox::Signal() const {
  const std::uint64_t one = 1;
  if (write(fd_, &one, sizeof(one)) < 0) return;  // full: it is signalled already
}

void Inbox::Wake(std::uint64_t connection) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    connections_.push_back(connection);
  }
  Signal();
}

void Inbox::Post(std::function<void()> command) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    commands_.push_back(std::move(command));
  }
  Signal();
}

void Inbox::Take(std::vector<std::uint64_t>& connections, std::vector<std::function<void()>>& commands) {
  std::uint64_t count = 0;
  const bool signalled = read(fd_, &count, sizeof(count)) > 0;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!signalled && connections_.empty() && commands_.empty()) return;
  connections.swap(connections_);
  commands.swap(commands_);
}

TunnelLoop::TunnelLoop(const Clock& clock)
    : clock_(clock), epoll_(epoll_create1(EPOLL_CLOEXEC)), inbox_(std::make_shared<Inbox>()) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kInboxId;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, inbox_->fd(), &event);
  thread_ = std::thread([this] { Run(); });
}

TunnelLoop::~TunnelLoop() {
  stopping_ = true;
  inbox_->Post([] {});
  thread_.join();
  connected_.clear();
  served_.clear();
  close(epoll_);
}

void TunnelLoop::Serve(std::vector<Served> served) {
  std::promise<void> done;
  inbox_->Post([&] {
    Replace(std::move(served));
    done.set_value();
  });
  done.get_future().wait();
}

void TunnelLoop::Replace(std::vector<Served> served) {
  for (const auto& [id, old] : served_) epoll_ctl(epoll_, EPOLL_CTL_DEL, old.listener->fd(), nullptr);
  served_.clear();
  paused_.clear();
  for (Served& one : served) {
    const std::uint64_t id = next_id_++;
    served_[id] = std::move(one);
    ListenAt(id);
  }
}

void TunnelLoop::ListenAt(std::uint64_t id) {
  const auto found = served_.find(id);
  if (found == served_.end()) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, found->second.listener->fd(), &event);
}

int TunnelLoop::TimeoutMs(absl::Time now) {
  if (!again_.empty()) return 0;
  if (connected_.empty() && paused_.empty()) return -1;
  return static_cast<int>(absl::ToInt64Milliseconds(std::max(next_sweep_ - now, absl::Milliseconds(1))));
}

void TunnelLoop::Run() {
  std::vector<std::uint64_t> ready;
  std::vector<std::function<void()>> commands;
  epoll_event events[kMaxEvents];
  while (!stopping_) {
    const int count = epoll_wait(epoll_, events, kMaxEvents, TimeoutMs(clock_.Now()));
    const absl::Time now = clock_.Now();
    ready.swap(again_);
    again_.clear();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[i].data.u64;
      if (id == kInboxId) continue;
      if (const auto found = served_.find(id); found != served_.end()) {
        Accept(id, found->second);
      } else {
        ready.push_back(id);
      }
    }
    std::vector<std::uint64_t> woken;
    inbox_->Take(woken, commands);
    ready.insert(ready.end(), woken.begin(), woken.end());
    for (const std::function<void()>& command : commands) command();
    commands.clear();
    for (const std::uint64_t id : ready) StepOne(id, now);
    ready.clear();
    if (now >= next_sweep_) Sweep(now);
  }
}

void TunnelLoop::Sweep(absl::Time now) {
  next_sweep_ = now + kSweep;
  for (const std::uint64_t id : paused_) ListenAt(id);
  paused_.clear();
  std::vector<std::uint64_t> due;
  for (const auto& [id, connected] : connected_) {
    if (now >= connected.tunnel->deadline()) due.push_back(id);
  }
  for (const std::uint64_t id : due) StepOne(id, now);
}

// What waits at the listener stays there: epoll would call us again at once, for nothing. One line for as long as it
// lasts, a count each time.
void TunnelLoop::Pause(std::uint64_t id, const Served& served, int error) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, served.listener->fd(), nullptr);
  paused_.push_back(id);
  served.route->outcomes->Count(v1::DENY_REASON_OVERLOADED, absl::ZeroDuration());
  if (!std::exchange(cannot_accept_, true)) {
    log::Error("attested_tls_cannot_accept",
               {{"tunnel", served.route->name}, {log::fields::kDetail, std::strerror(error)}});
  }
}

void TunnelLoop::Accept(std::uint64_t id_of_listener, const Served& served) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = accept4(served.listener->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      // accept(2): those of the one connection, and "try again"; the rest (no more files, no memory) stays.
      const bool passes = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
      if (!passes) Pause(id_of_listener, served, errno);
      return;
    }
    cannot_accept_ = false;
    std::size_t& count = count_by_route_[served.route->name];
    if (count >= served.route->max_connections) {
      served.route->outcomes->Count(v1::DENY_REASON_OVERLOADED, absl::ZeroDuration());
      log::Warn("attested_tls_overloaded", {{"tunnel", served.route->name}});
      close(fd);
      continue;
    }
    ++count;
    const std::uint64_t id = next_id_++;
    const absl::Time now = clock_.Now();
    connected_[id].tunnel = std::make_unique<Tunnel>(
        served.route, fd, [inbox = inbox_, id] { inbox->Wake(id); }, now);
    StepOne(id, now);
  }
}

void TunnelLoop::StepOne(std::uint64_t id, absl::Time now) {
  const auto found = connected_.find(id);
  if (found == connected_.end()) return;  // it ended meanwhile
  Connected& connected = found->second;
  connected.tunnel->Step(now);
  if (connected.tunnel->over()) {
    --count_by_route_[connected.tunnel->route().name];
    connected_.erase(found);  // closing a socket takes it out of epoll
    return;
  }
  if (connected.tunnel->again()) again_.push_back(id);
  Register(id, connected.tls, connected.tunnel->tls());
  Register(id, connected.plain, connected.tunnel->plain());
}

// Level-triggered. A socket that nobody waits for is taken out, so that its hang-up does not spin the loop.
void TunnelLoop::Register(std::uint64_t id, Interest& registered, const Interest& wanted) {
  if (registered.socket != wanted.socket) registered = {};  // it was closed, which takes it out
  const bool was = registered.fd >= 0, wants = wanted.fd >= 0 && (wanted.read || wanted.write);
  if (!was && !wants) return;
  epoll_event event{};
  event.events = (wanted.read ? EPOLLIN : 0u) | (wanted.write ? EPOLLOUT : 0u);
  event.data.u64 = id;
  if (!wants) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, registered.fd, nullptr);
    registered = {};
    registered.socket = wanted.socket;
    return;
  }
  if (was && registered.read == wanted.read && registered.write == wanted.write) return;
  epoll_ctl(epoll_, was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, wanted.fd, &event);
  registered = wanted;
}

}  // namespace twi::agent
