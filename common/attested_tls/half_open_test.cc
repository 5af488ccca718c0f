// 10,000 half-open handshakes: what they cost, and that they delay nobody. The figures are printed. The peers are
// another process, which has a file table of its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
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

// Connects kHalfOpen times, sends `bytes` each time, says so by closing `sending`, and keeps still until it is killed.
// System calls only: the parent has threads.
[[noreturn]] void BeThePeers(const sockaddr_in& address, absl::string_view bytes, int sending) {
  for (int i = 0; i < kHalfOpen; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        send(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      _exit(1);
    }
  }
  close(sending);
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
    int sending[2];
    EXPECT_EQ(pipe(sending), 0);
    peers_ = fork();
    if (peers_ == 0) BeThePeers(address, bytes, sending[1]);
    close(sending[1]);
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
    char end = 0;
    EXPECT_EQ(read(sending[0], &end, 1), 0);  // all is sent
    close(sending[0]);
    close(listener);
    AdvanceHalfOpen();
    return ResidentKiB() - before;
  }
  // Takes every byte that is there; none of them gets any further.
  void AdvanceHalfOpen() {
    for (const std::unique_ptr<Connection>& connection : connections_) {
      const Progress progress = connection->Advance(clock_.Now());
      ASSERT_EQ(progress.state, Progress::State::kHandshaking);
      ASSERT_TRUE(progress.want_read && !progress.again) << connection->why();
      ASSERT_TRUE(connection->why().ok()) << connection->why();
    }
  }
  // An honest handshake at the endpoint of the half-open ones, each of which is advanced as often as it is: how many
  // turns of such a loop it takes, a turn whenever a socket or a worker has something for it.
  int TurnsOfAnHonestHandshake() {
    SocketPair pair;
    const std::unique_ptr<Connection> server = *endpoint_->Open(pair.fd(0), waker_.callback(), clock_.Now());
    End client(Client(kSessionOnly), pair.fd(1), clock_, waker_);
    Progress progress;
    int turns = 0;
    while (turns < 1000) {
      ++turns;
      AdvanceHalfOpen();
      if (progress.state != Progress::State::kOpen) progress = server->Advance(clock_.Now());
      if (!client.open()) client.Advance(clock_.Now());
      if (progress.state == Progress::State::kOpen && client.open()) break;
      const short server_waits = static_cast<short>(progress.state == Progress::State::kHandshaking ? POLLIN : 0);
      pollfd waits[] = {{waker_.fd(), POLLIN, 0},
                        {pair.fd(0), server_waits, 0},
                        {pair.fd(1), static_cast<short>(client.open() ? 0 : POLLIN), 0}};
      EXPECT_GT(poll(waits, 3, 20'000), 0) << "nothing happens any more";
      waker_.Clear();
    }
    EXPECT_TRUE(client.open()) << client->why();
    return turns;
  }
  // The most that a peer can make us keep: all but the last byte of the largest ClientHello that is let through, in one
  // record (RFC 8446 section 5.1: 2^14 bytes).
  static std::string LargestPartOfAClientHello() {
    std::string hello("\x16\x03\x01\x40\x00\x01\x00\x3F\xFC", 9);
    static_assert(kMaxClientHello == 0x4000, "the record's length, and with its header the message's");
    return hello + std::string(kMaxClientHello - 4 - 1, 'x');
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

TEST_F(HalfOpenTest, TheLargestClientHelloCostsBoundedMemoryAndDelaysNobody) {
  const int alone = TurnsOfAnHonestHandshake();
  const std::size_t kib = OpenHalf(LargestPartOfAClientHello());
  std::printf("10,000 half-open connections within the largest ClientHello: %zu KiB resident, %.2f KiB each\n", kib,
              1.0 * kib / kHalfOpen);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kib, 64u * kHalfOpen);
#endif
  const int sessions = verifier_->sessions();
  const int beside = TurnsOfAnHonestHandshake();
  std::printf("an honest handshake: %d turns of the loop alone, %d beside them\n", alone, beside);
  // Turns differ by how the workers' answers fall together, not by who else is there: no half-open connection takes
  // one.
  EXPECT_LE(beside, 20);
  EXPECT_LE(alone, 20);
  EXPECT_EQ(verifier_->sessions(), sessions + 1) << "the half-open ones ask the Verifier nothing";
  ExpectAllTimeOut();
}

}  // namespace
}  // namespace twi::atls
