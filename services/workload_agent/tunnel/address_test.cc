#include "services/workload_agent/tunnel/address.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::agent {
namespace {

using ::twi::testing::IsOk;
using ::twi::testing::StatusIs;

class AddressTest : public ::testing::Test {
 protected:
  ~AddressTest() override {
    for (const int fd : sockets_) close(fd);
  }
  int Keep(int fd) {
    sockets_.push_back(fd);
    return fd;
  }
  Address Unix(const std::string& name) const { return *ParseAddress("unix:" + dir_.File(name)); }
  int ListenAt(const Address& address) { return Keep(Listen(address).value()); }
  bool Answers(const Address& address) {
    const int fd = StartConnect(address);
    if (fd >= 0) Keep(fd);
    return fd >= 0 && ConnectingOf(fd) == Connecting::kDone;
  }

  const twi::testing::TempDir dir_;
  std::vector<int> sockets_;
};

TEST_F(AddressTest, ReadsNumericAddresses) {
  for (const char* text : {"127.0.0.1:8443", "127.9.9.9:0", "[::1]:443"}) {
    ASSERT_OK_AND_ASSIGN(const Address address, ParseAddress(text));
    EXPECT_TRUE(address.is_loopback) << text;
    EXPECT_FALSE(address.is_unix) << text;
  }
  for (const char* text : {"0.0.0.0:1", "192.0.2.1:80", "[2001:db8::1]:443", "[::]:1"}) {
    ASSERT_OK_AND_ASSIGN(const Address address, ParseAddress(text));
    EXPECT_FALSE(address.is_loopback) << text;
  }
  EXPECT_EQ(PortOfAddress(*ParseAddress("[::1]:443")), 443);
  EXPECT_EQ(PortOfAddress(Unix("s")), 0);
}

TEST_F(AddressTest, RefusesNamesAndNonsense) {
  for (const std::string& text :
       {std::string("localhost:80"), std::string("127.0.0.1"), std::string("127.0.0.1:65536"), std::string(":80"),
        std::string("127.0.0.1:http"), std::string("[::1:80"), std::string("::1:80"), std::string("unix:"),
        std::string("unix:relative"), absl::StrCat("unix:/", std::string(107, 'x')), std::string()}) {
    EXPECT_THAT(ParseAddress(text), StatusIs(v1::DENY_REASON_CONFIG_INVALID)) << text;
  }
  EXPECT_THAT(ValidateHostPort("db.example.org:5432"), IsOk());
  for (const char* text : {"db.example.org", ":5432", "db.example.org:0", "db.example.org:x"})
    EXPECT_THAT(ValidateHostPort(text), StatusIs(v1::DENY_REASON_CONFIG_INVALID)) << text;
}

TEST_F(AddressTest, TheSamePlaceIsTheSameHoweverItIsWritten) {
  EXPECT_TRUE(SamePlace(*ParseAddress("127.0.0.1:80"), *ParseAddress("127.0.0.1:0080")));
  EXPECT_TRUE(SamePlace(*ParseAddress("[::1]:80"), *ParseAddress("[0:0::1]:80")));
  EXPECT_TRUE(SamePlace(Unix("a"), Unix("a")));
  EXPECT_FALSE(SamePlace(Unix("a"), Unix("b")));
  EXPECT_FALSE(SamePlace(*ParseAddress("127.0.0.1:80"), *ParseAddress("127.0.0.1:81")));
  EXPECT_FALSE(SamePlace(*ParseAddress("127.0.0.1:80"), *ParseAddress("127.0.0.2:80")));
  EXPECT_FALSE(SamePlace(*ParseAddress("127.0.0.1:0"), *ParseAddress("127.0.0.1:0"))) << "another port each time";
}

TEST_F(AddressTest, AUnixSocketIsTheOwnersAlone) {
  ListenAt(Unix("s"));
  struct stat status {};
  ASSERT_EQ(stat(dir_.File("s").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_TRUE(Answers(Unix("s")));
}

TEST_F(AddressTest, ReplacesAStaleUnixSocket) {
  close(Listen(Unix("s")).value());  // the file stays, and refuses connections
  EXPECT_FALSE(Answers(Unix("s")));
  ListenAt(Unix("s"));
  EXPECT_TRUE(Answers(Unix("s")));
}

TEST_F(AddressTest, LeavesAUnixSocketOnWhichSomebodyListens) {
  ListenAt(Unix("s"));
  EXPECT_THAT(Listen(Unix("s")), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_TRUE(Answers(Unix("s")));
}

// Its backlog is full: connecting fails, and yet somebody listens.
TEST_F(AddressTest, LeavesAUnixSocketThatIsBusy) {
  const Address address = Unix("s");
  const int busy = Keep(socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(bind(busy, reinterpret_cast<const sockaddr*>(&address.storage), address.size), 0);
  ASSERT_EQ(listen(busy, 0), 0);
  while (Answers(address)) continue;
  EXPECT_THAT(Listen(address), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_GE(Keep(accept(busy, nullptr, nullptr)), 0);
  EXPECT_TRUE(Answers(address)) << "it is still there";
}

TEST_F(AddressTest, LeavesAFileThatIsNoSocket) {
  std::ofstream(dir_.File("s")) << "precious";
  EXPECT_THAT(Listen(Unix("s")), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
  EXPECT_EQ(dir_.Read("s"), "precious");
}

TEST_F(AddressTest, ConnectsByName) {
  const int listener = ListenAt(*ParseAddress("127.0.0.1:0"));
  const std::string port = std::to_string(PortOf(listener));
  ASSERT_OK_AND_ASSIGN(const std::vector<Address> addresses, ResolveHostPort("127.0.0.1:" + port));
  ASSERT_EQ(addresses.size(), 1u);
  EXPECT_TRUE(SamePlace(addresses[0], *ParseAddress("127.0.0.1:" + port)));
  ASSERT_OK_AND_ASSIGN(const auto socket, ConnectHostPort("localhost:" + port, absl::Seconds(10)));
  const int accepted = Keep(accept(listener, nullptr, nullptr));
  for (const int fd : {Keep(socket->Release()), accepted}) {
    ASSERT_GE(fd, 0);
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    EXPECT_NE(no_delay, 0) << "a small answer would wait for the peer's acknowledgement";
  }
}

TEST_F(AddressTest, NamesAPeerThatDoesNotAnswer) {
  const int listener = Listen(*ParseAddress("127.0.0.1:0")).value();
  const std::string nobody = "127.0.0.1:" + std::to_string(PortOf(listener));
  close(listener);
  EXPECT_THAT(ConnectHostPort(nobody, absl::Seconds(10)), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

}  // namespace
}  // namespace twi::agent
