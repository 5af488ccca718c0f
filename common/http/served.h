// An HTTPS server with a few routes, for the tests of this room: through the real door.
#ifndef TWI_COMMON_HTTP_SERVED_H_
#define TWI_COMMON_HTTP_SERVED_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/http/server.h"
#include "common/status/deny.h"
#include "common/testing/fake_clock.h"
#include "common/testing/raw_tls.h"
#include "common/testing/test_pki.h"
#include "common/trace/trace.h"

namespace twi::http {

using testing::RawTls;

constexpr char kServerId[] = "spiffe://test.example/twi/rest";
constexpr char kClientId[] = "spiffe://test.example/twi/client";
constexpr std::size_t kMaxEcho = 1000, kMaxSink = 16 << 20;

// What Hold waits for.
class Latch {
 public:
  void Enter() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++entered_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
  }
  void AwaitEntered(int n) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return entered_ >= n; });
  }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int entered_ = 0;
  bool released_ = false;
};

// What became of the requests, as the server counts them.
class Outcomes {
 public:
  void Add(const std::string& route, DenyReason outcome) {
    const std::lock_guard<std::mutex> lock(mutex_);
    all_.emplace_back(route, outcome);
    changed_.notify_all();
  }
  int Count(const std::string& route) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int count = 0;
    for (const auto& [name, outcome] : all_) count += name == route ? 1 : 0;
    return count;
  }
  void Await(DenyReason outcome) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] {
      for (const auto& [name, seen] : all_) {
        if (seen == outcome) return true;
      }
      return false;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::string, DenyReason>> all_;
};

// All but Open for kClientId, Open for attested_key; port 0.
inline config::v1::Http HttpConfig(testing::TestPki& pki) {
  config::v1::Http config;
  config.set_listen("127.0.0.1:0");
  *config.mutable_tls() = pki.Issue("rest", kServerId);
  for (const char* route : {"Echo", "Sink", "Item", "Hold", "Refuse", "Throw", "Trace"}) {
    config::v1::Allow* allow = config.add_allow();
    allow->set_rpc(route);
    allow->add_peers(kClientId);
  }
  config::v1::Allow* open = config.add_allow();
  open->set_rpc("Open");
  open->add_peers("attested_key");
  return config;
}

inline Response Text(std::string text) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::move(text);
  return response;
}

inline std::string PeerName(const Request& request) {
  return request.peer.has_value() ? request.peer->ToString() : "anonymous";
}

inline std::vector<Route> TestRoutes(Latch& latch) {
  return {
      {"Echo", "POST", "/echo", kMaxEcho,
       [](const Request& r) { return Text(absl::StrCat(PeerName(r), ":", r.body)); }},
      {"Sink", "POST", "/sink", kMaxSink, [](const Request& r) { return Text(absl::StrCat(r.body.size())); }},
      {"Item", "GET", "/items/{id}", 0,
       [](const Request& r) {
         std::string text = r.path_parameters.at("id");
         for (const auto& [name, value] : r.query) absl::StrAppend(&text, " ", name, "=", value);
         return Text(std::move(text));
       }},
      {"Hold", "GET", "/hold", 0,
       [&latch](const Request&) {
         latch.Enter();
         return Text("held");
       }},
      {"Refuse", "GET", "/refuse", 0,
       [](const Request&) -> absl::StatusOr<Response> {
         return Deny(v1::DENY_REASON_CHALLENGE_REPLAYED, "a detail for the log only");
       }},
      {"Throw", "GET", "/throw", 0,
       [](const Request&) -> absl::StatusOr<Response> { throw std::runtime_error("secret words"); }},
      {"Trace", "GET", "/trace", 0,
       [](const Request&) {
         const trace::Trace* current = trace::Current();
         return Text(current == nullptr ? "none" : std::string(current->id_view()));
       }},
      {"Open", "GET", "/open", 0, [](const Request& r) { return Text(PeerName(r)); }},
  };
}

struct Served {
  // The config may be changed before Start. `now`: of `clock`, which then stands still. TLS needs no other:
  // certificates are judged by ours.
  Served(testing::TestPki& pki, absl::Time now) : clock(now), config(HttpConfig(pki)) {}
  ~Served() { latch.Release(); }
  absl::Status Start() {
    const auto note = [this](const std::string& route, DenyReason outcome, absl::Duration) {
      outcomes.Add(route, outcome);
    };
    auto started = Server::Start(config, clock, TestRoutes(latch), {"rest", note});
    if (started.ok()) server = *std::move(started);
    return started.status();
  }
  RawTls Connect(const testing::TestPki::Pair& pair) const {
    RawTls::Options options;
    options.certificate_pem = pair.certificate_pem;
    options.key_pem = pair.key_pem;
    return RawTls(server->port(), options);
  }
  config::v1::Peer AsPeer() const { return AsPeerAt(server->port()); }
  static config::v1::Peer AsPeerAt(int port) {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", port));
    peer.set_spiffe_id(kServerId);
    return peer;
  }

  testing::FakeClock clock;
  Latch latch;
  Outcomes outcomes;
  config::v1::Http config;
  std::unique_ptr<Server> server;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_SERVED_H_
