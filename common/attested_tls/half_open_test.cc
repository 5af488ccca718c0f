// 10,000 half-open handshakes: what they cost, and that they delay nobody. The figures are printed. The peers are
// another process, which has a file table of its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

constexpr int kHalfOpen = 10'000;

std::size_t ResidentKiB() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

// Connects kHalfOpen times, sends `bytes` each time, and keeps still until it is killed. System calls only: the parent
// has threads.
[[noreturn]] void BeThePeers(const sockaddr_in& address, absl::string_view bytes) {
  for (int i = 0; i < kHalfOpen; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        send(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      _exit(1);
    }
  }
  for (;;) pause();
}

class HalfOpenTest : public AttestedTlsTest {
 protected:
  void SetUp() override {
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < kHalfOpen + 200) GTEST_SKIP() << "only " << limit.rlim_max << " files are allowed here";
    endpoint_ = *Endpoint::Make(Server(kBoth), clock_);
  }
  void TearDown() override {
    connections_.clear();
    for (const int fd : sockets_) close(fd);
    if (peers_ <= 0) return;
    kill(peers_, SIGKILL);
    waitpid(peers_, nullptr, 0);
  }
  // Opens kHalfOpen connections whose peers send `bytes` and nothing else. KiB that they take here.
  std::size_t OpenHalf(absl::string_view bytes) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener, 1024), 0);
    EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    peers_ = fork();
    if (peers_ == 0) BeThePeers(address, bytes);
    const std::size_t before = ResidentKiB();
    for (int i = 0; i < kHalfOpen; ++i) {
      sockets_.push_back(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (sockets_.back() < 0) {
        ADD_FAILURE() << "accept " << i;
        break;
      }
      connections_.push_back(*endpoint_->Open(sockets_.back(), waker_.callback(), clock_.Now()));
      connections_.back()->Advance(clock_.Now());
    }
    // Every byte that was sent has been taken now.
    for (const std::unique_ptr<Connection>& connection : connections_) {
      const Progress progress = connection->Advance(clock_.Now());
      EXPECT_EQ(progress.state, Progress::State::kHandshaking);
      EXPECT_TRUE(progress.want_read);
    }
    close(listener);
    return ResidentKiB() - before;
  }
  std::string PartOfAClientHello() {
    SocketPair capture;
    RawOptions options;
    options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
    RawPeer raw(std::move(options), capture.fd(1));
    raw.Step();
    char buffer[100];
    EXPECT_EQ(recv(capture.fd(0), buffer, sizeof(buffer), 0), 100);
    return std::string(buffer, sizeof(buffer));
  }
  // All of them end at their deadline.
  void ExpectAllTimeOut() {
    clock_.Advance(absl::Seconds(11));
    for (const std::unique_ptr<Connection>& connection : connections_) {
      connection->Advance(clock_.Now());
      EXPECT_THAT(connection->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
    }
  }

  std::unique_ptr<Endpoint> endpoint_;
  pid_t peers_ = -1;
  std::vector<int> sockets_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

TEST_F(HalfOpenTest, SilentPeersCostNextToNothing) {
  const std::size_t kib = OpenHalf("");
  std::printf("10,000 half-open connections without a byte: %zu KiB resident, %.2f KiB each\n", kib,
              1.0 * kib / kHalfOpen);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kib, 4u * kHalfOpen);
#endif
  ExpectAllTimeOut();
}

TEST_F(HalfOpenTest, HalfAClientHelloCostsBoundedMemoryAndDelaysNobody) {
  const std::string part = PartOfAClientHello();
  const std::size_t kib = OpenHalf(part);
  std::printf("10,000 half-open connections within the ClientHello: %zu KiB resident, %.2f KiB each\n", kib,
              1.0 * kib / kHalfOpen);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kib, 64u * kHalfOpen);
#endif
  // One that is honest, at the same endpoint's expense of time.
  const absl::Time before = absl::Now();
  StartServer(Server(kSessionOnly));
  StartClient(Client(kSessionOnly));
  ExpectOpen();
  std::printf("an honest handshake beside them: %s\n", absl::FormatDuration(absl::Now() - before).c_str());
  ExpectAllTimeOut();
}

}  // namespace
}  // namespace twi::atls
