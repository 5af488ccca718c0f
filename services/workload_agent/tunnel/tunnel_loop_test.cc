// One loop with an ingress and an egress over Unix sockets: what flows, what is counted, and who is not kept waiting by
// whom. The test is the workload on both sides; time stands still unless it is moved.
#include "services/workload_agent/tunnel/tunnel_loop.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include "common/attested_tls/testing/fake_tee.h"
#include "common/attested_tls/testing/loopback.h"
#include "common/attested_tls/testing/raw_peer.h"
#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::agent {
namespace {

using atls::Profile;

class Outcomes final : public server::RpcMetrics {
 public:
  void Count(v1::DenyReason outcome, absl::Duration) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counts_[outcome];
  }
  int of(v1::DenyReason outcome) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = counts_.find(outcome);
    return found == counts_.end() ? 0 : found->second;
  }
  int ok() const { return of(v1::DENY_REASON_UNSPECIFIED); }

 private:
  mutable std::mutex mutex_;
  std::map<v1::DenyReason, int> counts_;
};

// A blocking socket with a limit to its patience.
class Plain {
 public:
  explicit Plain(int fd) : fd_(fd) {
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  explicit Plain(const Address& address) : Plain(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    Connect(address);
  }
  ~Plain() { close(fd_); }
  Plain(const Plain&) = delete;
  int fd() const { return fd_; }
  void Connect(const Address& address) const {
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.size), 0);
  }
  void Send(const std::string& bytes) const {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t now = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return;
      sent += static_cast<std::size_t>(now);
    }
  }
  // Until `size` bytes are there or the other side ends.
  std::string Receive(std::size_t size) const {
    std::string got(size, '\0');
    std::size_t have = 0;
    for (ssize_t now = 1; have < size && now > 0; have += now > 0 ? static_cast<std::size_t>(now) : 0)
      now = recv(fd_, got.data() + have, size - have, 0);
    got.resize(have);
    return got;
  }
  void EndOfSending() const { shutdown(fd_, SHUT_WR); }

 private:
  const int fd_;
};

class TunnelLoopTest : public ::testing::Test {
 protected:
  Address At(const std::string& name) const { return *ParseAddress("unix:" + dir_.File(name)); }
  // From "ingress" to "workload".
  std::shared_ptr<Route> Ingress() {
    auto route = std::make_shared<Route>();
    route->name = "ingress";
    route->address = At("ingress");
    route->forward = At("workload");
    return Finish(
        std::move(route),
        atls::testing::ServerSettings({Profile::kSession}, *atls::MakeAttester(atls::testing::FakeTee(), random_)),
        in_);
  }
  // From `name` to `peers`, or to what `resolver` gives.
  std::shared_ptr<Route> Egress(const std::string& name, std::vector<Address> peers, Resolver resolver = nullptr) {
    auto route = std::make_shared<Route>();
    route->ingress = false;
    route->name = name;
    route->address = At(name);
    route->connect = "peer.example.org:8443";
    route->peers = std::move(peers);
    route->resolve = std::move(resolver);
    route->resolve_workers = std::make_shared<atls::Workers>(1, 16, atls::Workers::AtEnd::kAbandon);
    return Finish(std::move(route),
                  atls::testing::ClientSettings({Profile::kSession}, atls::testing::TrustingParty(verifier_)), out_);
  }
  void Serve(const std::vector<std::shared_ptr<Route>>& routes) {
    loop_ = std::make_unique<TunnelLoop>(clock_);
    std::vector<Served> served;
    for (const auto& route : routes)
      served.push_back({route, std::make_shared<const Listener>(Listen(route->address).value())});
    loop_->Serve(std::move(served));
  }
  // The workload behind the ingress.
  void ListenAsWorkload() { workload_ = std::make_unique<Listener>(Listen(At("workload")).value()); }
  std::unique_ptr<Plain> AcceptAsWorkload() {
    pollfd wait{workload_->fd(), POLLIN, 0};
    EXPECT_EQ(poll(&wait, 1, 20'000), 1);
    return std::make_unique<Plain>(accept(workload_->fd(), nullptr, nullptr));
  }
  void ExpectFlow(const Plain& client) {
    const std::unique_ptr<Plain> server = AcceptAsWorkload();
    ExpectFlow(client, *server);
  }
  static void ExpectFlow(const Plain& client, const Plain& server) {
    client.Send("question");
    EXPECT_EQ(server.Receive(8), "question");
    server.Send("answer");
    EXPECT_EQ(client.Receive(6), "answer");
  }
  static bool WaitUntil(const std::function<bool()>& holds) {
    for (const absl::Time end = absl::Now() + absl::Seconds(20); absl::Now() < end; poll(nullptr, 0, 5)) {
      if (holds()) return true;
    }
    return holds();
  }

  const twi::testing::TempDir dir_;
  twi::testing::FakeClock clock_;
  twi::testing::FakeRandom random_;
  std::shared_ptr<atls::testing::FakeVerifier> verifier_ = std::make_shared<atls::testing::FakeVerifier>();
  const std::shared_ptr<Outcomes> in_ = std::make_shared<Outcomes>(), out_ = std::make_shared<Outcomes>();
  std::unique_ptr<Listener> workload_;
  std::unique_ptr<TunnelLoop> loop_;

 private:
  std::shared_ptr<Route> Finish(std::shared_ptr<Route> route, atls::Settings settings,
                                std::shared_ptr<Outcomes> outcomes) {
    route->max_connections = 100;
    route->handshake_timeout = settings.handshake_timeout;
    route->idle_timeout = absl::Minutes(5);
    route->clock = &clock_;
    route->endpoint = *atls::Endpoint::Make(std::move(settings), clock_);
    route->outcomes = std::move(outcomes);
    return route;
  }
};

TEST_F(TunnelLoopTest, CarriesBothWaysBetweenUnixSockets) {
  ListenAsWorkload();
  Serve({Ingress(), Egress("egress", {At("ingress")})});
  const Plain client(At("egress"));
  const std::unique_ptr<Plain> server = AcceptAsWorkload();
  ExpectFlow(client, *server);
  const std::string up(3'000'000, 'u'), down(2'000'000, 'd');
  std::thread sender([&] { client.Send(up); });
  std::thread answerer([&] { server->Send(down); });
  std::string got_down;
  std::thread reader([&] { got_down = client.Receive(down.size()); });
  EXPECT_EQ(server->Receive(up.size()), up);
  for (std::thread* thread : {&sender, &answerer, &reader}) thread->join();
  EXPECT_EQ(got_down, down);
  EXPECT_EQ(in_->ok(), 1);
  EXPECT_EQ(out_->ok(), 1);
  // One side ends, the other still speaks.
  client.EndOfSending();
  EXPECT_EQ(server->Receive(1), "");
  server->Send("last words");
  server->EndOfSending();
  EXPECT_EQ(client.Receive(100), "last words");
}

TEST_F(TunnelLoopTest, AWorkloadThatIsNotThereIsNoSuccess) {
  Serve({Ingress(), Egress("egress", {At("ingress")})});
  const Plain client(At("egress"));
  EXPECT_EQ(client.Receive(1), "");
  EXPECT_EQ(in_->ok(), 0);
  EXPECT_EQ(in_->of(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE), 1);
}

TEST_F(TunnelLoopTest, APeerThatIsNotThereIsNamed) {
  Serve({Egress("egress", {At("nobody"), At("nobody either")})});
  const Plain client(At("egress"));
  EXPECT_EQ(client.Receive(1), "");
  EXPECT_EQ(out_->of(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE), 1);
  EXPECT_EQ(out_->ok(), 0);
}

TEST_F(TunnelLoopTest, EachOfAPeersAddressesIsTried) {
  ListenAsWorkload();
  Serve({Ingress(), Egress("egress", {At("nobody"), At("ingress")})});
  const Plain client(At("egress"));
  ExpectFlow(client);
}

TEST_F(TunnelLoopTest, ANameIsResolvedByTheWorkers) {
  ListenAsWorkload();
  std::atomic<int> asked{0};
  Serve({Ingress(), Egress("egress", {}, [&](const std::string& name) -> absl::StatusOr<std::vector<Address>> {
           ++asked;
           EXPECT_EQ(name, "peer.example.org:8443");
           return std::vector<Address>{At("ingress")};
         })});
  const Plain client(At("egress"));
  ExpectFlow(client);
  EXPECT_EQ(asked, 1);
}

// An address that neither answers nor refuses: a listener whose backlog is full.
TEST_F(TunnelLoopTest, AnAddressThatKeepsStillHasItsShareOfTheTime) {
  ListenAsWorkload();
  Address still = *ParseAddress("127.0.0.1:0");
  const Listener full(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(full.fd(), reinterpret_cast<const sockaddr*>(&still.storage), still.size), 0);
  ASSERT_EQ(listen(full.fd(), 0), 0);
  still = *ParseAddress("127.0.0.1:" + std::to_string(PortOf(full.fd())));
  std::vector<std::unique_ptr<Listener>> waiting;
  for (bool taken = true; taken;) {
    ASSERT_LT(waiting.size(), 100u);
    waiting.push_back(std::make_unique<Listener>(StartConnect(still)));
    pollfd connected{waiting.back()->fd(), POLLOUT, 0};
    taken = poll(&connected, 1, 100) == 1;
  }
  Serve({Ingress(), Egress("egress", {still, At("ingress")}), Egress("other", {At("ingress")})});
  const Plain client(At("egress")), other(At("other"));
  ExpectFlow(other);  // by now the loop has begun with the one before
  // Half of handshake_timeout is that of the first address; the second is not tried before.
  pollfd reached{workload_->fd(), POLLIN, 0};
  EXPECT_EQ(poll(&reached, 1, 0), 0);
  clock_.Advance(absl::Seconds(5));
  ExpectFlow(client);
}

TEST_F(TunnelLoopTest, AResolverThatHangsDelaysNobodyElseAndNotTheEnd) {
  ListenAsWorkload();
  std::promise<void> gate;
  const auto hang = [opened = gate.get_future().share()](const std::string&) -> absl::StatusOr<std::vector<Address>> {
    opened.wait();
    return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "too late");
  };
  Serve({Ingress(), Egress("hanging", {}, hang), Egress("egress", {At("ingress")})});
  std::vector<std::unique_ptr<Plain>> hanging;
  for (int i = 0; i < 10; ++i) hanging.push_back(std::make_unique<Plain>(At("hanging")));
  {
    const Plain client(At("egress"));
    ExpectFlow(client);
  }
  clock_.Advance(absl::Seconds(10));
  for (const auto& client : hanging) EXPECT_EQ(client->Receive(1), "");
  EXPECT_EQ(out_->of(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE), 10);
  loop_.reset();  // as at SIGTERM: returns, though the resolver does not
  gate.set_value();
}

// The limit of open files is reached: what waits at the listener stays there, the loop does not spin for it, and open
// tunnels go on.
TEST_F(TunnelLoopTest, NoMoreFilesIsCountedAndWaitedOut) {
  ListenAsWorkload();
  Serve({Ingress(), Egress("egress", {At("ingress")})});
  const Plain client(At("egress"));
  const std::unique_ptr<Plain> server = AcceptAsWorkload();
  ExpectFlow(client, *server);
  const Plain late(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  const int lowest = dup(late.fd());  // all below are taken
  close(lowest);
  const rlimit none{static_cast<rlim_t>(lowest), usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);

  late.Connect(At("ingress"));
  const auto overloaded = [this] { return in_->of(v1::DENY_REASON_OVERLOADED); };
  EXPECT_TRUE(WaitUntil([&] { return overloaded() == 1; }));
  for (int i = 0; i < 100; ++i) ExpectFlow(client, *server);  // turns of the loop
  EXPECT_EQ(overloaded(), 1);
  clock_.Advance(absl::Seconds(1));  // the next sweep tries again
  EXPECT_TRUE(WaitUntil([&] { return overloaded() == 2; }));

  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  clock_.Advance(absl::Seconds(1));
  late.Send("GET / HTTP/1.1\r\n\r\n");
  late.EndOfSending();
  EXPECT_TRUE(WaitUntil([this] { return in_->of(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED) == 1; }))
      << "it is accepted, and judged";
  EXPECT_EQ(overloaded(), 2);
}

TEST_F(TunnelLoopTest, ConnectionsBeyondTheLimitAreClosedAtOnce) {
  ListenAsWorkload();
  const std::shared_ptr<Route> egress = Egress("egress", {At("ingress")});
  egress->max_connections = 1;
  Serve({Ingress(), egress});
  const Plain client(At("egress"));
  const std::unique_ptr<Plain> server = AcceptAsWorkload();
  ExpectFlow(client, *server);
  const Plain another(At("egress"));
  EXPECT_EQ(another.Receive(1), "");
  EXPECT_TRUE(WaitUntil([this] { return out_->of(v1::DENY_REASON_OVERLOADED) == 1; }));
  ExpectFlow(client, *server);
}

TEST_F(TunnelLoopTest, AnIdleTunnelAndASilentPeerAreClosed) {
  ListenAsWorkload();
  Serve({Ingress(), Egress("egress", {At("ingress")})});
  const Plain client(At("egress"));
  const std::unique_ptr<Plain> server = AcceptAsWorkload();
  ExpectFlow(client, *server);
  const Plain silent(At("ingress"));
  EXPECT_TRUE(WaitUntil([&] {
    clock_.Advance(absl::Seconds(1));
    return in_->of(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT) == 1;
  }));
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(client.Receive(1), "");
  EXPECT_EQ(server->Receive(1), "");
}

// A peer that streams KeyUpdates as fast as it can, on an open tunnel: it moves no byte, and keeps nobody waiting.
TEST_F(TunnelLoopTest, AFloodOfKeyUpdatesKeepsNobodyWaiting) {
  ListenAsWorkload();
  Serve({Ingress(), Egress("egress", {At("ingress")})});
  std::promise<void> open;
  std::atomic<bool> stop{false};
  std::thread flooder([&, fd = StartConnect(At("ingress"))] {
    const Plain owned(fd);
    atls::testing::RawOptions options;
    options.extension[SSL_EXT_CLIENT_HELLO] = atls::WriteHelloRequest({{Profile::kSession}, std::nullopt});
    atls::testing::RawPeer raw(std::move(options), fd);
    const auto wait = [fd](short events) {
      pollfd one{fd, events, 0};
      poll(&one, 1, 1000);
    };
    for (raw.Step(); !raw.done() && !raw.failed(); raw.Step()) wait(POLLIN);
    raw.SendFrame(atls::FrameType::kChallenge, "");
    raw.SendFrame(atls::FrameType::kAccepted, "");
    for (int sent = 0; !stop; ++sent) {
      if (!raw.SendKeyUpdate()) wait(POLLOUT);
      if (sent == 1000) open.set_value();
    }
  });
  const std::unique_ptr<Plain> flooded = AcceptAsWorkload();
  open.get_future().wait();
  const Plain client(At("egress"));
  const std::unique_ptr<Plain> server = AcceptAsWorkload();
  for (int i = 0; i < 20; ++i) ExpectFlow(client, *server);
  stop = true;
  flooder.join();
}

// A reload takes what is served in place of what was; open tunnels stay.
TEST_F(TunnelLoopTest, ServesAnewAndKeepsWhatIsOpen) {
  ListenAsWorkload();
  Serve({Ingress(), Egress("egress", {At("ingress")})});
  const Plain client(At("egress"));
  const std::unique_ptr<Plain> server = AcceptAsWorkload();
  ExpectFlow(client, *server);
  loop_->Serve({});
  const int refused = StartConnect(At("egress"));
  EXPECT_LT(refused, 0) << "nobody listens";
  ExpectFlow(client, *server);
}

}  // namespace
}  // namespace twi::agent
