// The thread behind Tunnels.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_LOOP_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/time/clock.h"
#include "services/workload_agent/tunnel/tunnel.h"

namespace twi::agent {

// A listening socket, closed when nobody holds it.
class Listener {
 public:
  explicit Listener(int fd) : fd_(fd) {}
  ~Listener();
  Listener(const Listener&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

struct Served {
  std::shared_ptr<const Route> route;
  std::shared_ptr<const Listener> listener;
};

// Takes calls from other threads: what is to be done by the loop, and which connection can go on.
class Inbox {
 public:
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  void Wake(std::uint64_t connection);
  void Post(std::function<void()> command);
  void Take(std::vector<std::uint64_t>& connections, std::vector<std::function<void()>>& commands);
  int fd() const { return fd_; }

 private:
  void Signal() const;
  const int fd_;
  std::mutex mutex_;  // guards the next two
  std::vector<std::uint64_t> connections_;
  std::vector<std::function<void()>> commands_;
};

class TunnelLoop {
 public:
  explicit TunnelLoop(const Clock& clock);
  ~TunnelLoop();
  // From now on these are served, in place of what was. Returns when that is so. Thread-safe.
  void Serve(std::vector<Served> served);

 private:
  struct Connected {
    std::unique_ptr<Tunnel> tunnel;
    Interest tls, plain;  // as registered with epoll
  };
  void Run();
  void Sweep(absl::Time now);  // deadlines, and listeners that were paused
  void Accept(std::uint64_t id_of_listener, const Served& served);
  void Pause(std::uint64_t id, const Served& served, int error);
  void ListenAt(std::uint64_t id);
  void StepOne(std::uint64_t id, absl::Time now);
  void Register(std::uint64_t id, Interest& registered, const Interest& wanted);
  void Replace(std::vector<Served> served);
  int TimeoutMs(absl::Time now);

  const Clock& clock_;
  const int epoll_;
  const std::shared_ptr<Inbox> inbox_;
  std::atomic<bool> stopping_{false};
  // Of the loop's thread:
  std::map<std::uint64_t, Served> served_;  // by id
  std::vector<std::uint64_t> paused_;       // of those, until the next sweep
  bool cannot_accept_ = false;              // since the last connection that was accepted
  std::unordered_map<std::uint64_t, Connected> connected_;
  std::map<std::string, std::size_t> count_by_route_;  // by name
  std::uint64_t next_id_ = 1;
  std::vector<std::uint64_t> again_;
  absl::Time next_sweep_ = absl::InfinitePast();
  std::thread thread_;
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_LOOP_H_
