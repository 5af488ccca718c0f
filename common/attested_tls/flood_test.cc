// A peer that streams what is no data (KeyUpdates, tickets, records of one byte): every call comes back after bounded
// work, so that the thread gets to its other connections, and nothing that follows is lost.
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

constexpr int kKeyUpdateRecord = 5 + 5 + 1 + 16;  // header, message, content type, tag
constexpr int kMostPerCall = 64;                  // records: two reads each

int Unread(int fd) {
  int bytes = 0;
  EXPECT_EQ(ioctl(fd, FIONREAD, &bytes), 0);
  return bytes;
}

class FloodTest : public AttestedTlsTest {
 protected:
  // Our server; a raw client, up to the end of the handshake.
  void Meet() {
    StartServer(Server(kSessionOnly));
    RawOptions options;
    options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
    StartRaw(std::move(options));
    ASSERT_TRUE(Drive([this] { return raw_->done() && raw_->application.size() >= kFrameHeader; }));
  }
  void SayTheRest() {
    raw_->SendFrame(FrameType::kChallenge, "");
    raw_->SendFrame(FrameType::kAccepted, "");
  }
  // Until the socket takes no more: so many.
  int Flood() {
    int sent = 0;
    while (raw_->SendKeyUpdate()) ++sent;
    EXPECT_GT(sent, kMostPerCall);
    return sent;
  }
};

TEST_F(FloodTest, KeyUpdatesWithinTheExchangeTakeABoundedPartOfACall) {
  Meet();
  Flood();
  const int before = Unread(pair_.fd(0));
  EXPECT_TRUE(server_->Advance(clock_.Now()).again) << "there is more, and others come first";
  const int taken = before - Unread(pair_.fd(0));
  EXPECT_GT(taken, 0);
  EXPECT_LE(taken, kMostPerCall * kKeyUpdateRecord);
  EXPECT_LT(taken, before);
  // Nothing is lost by it.
  ASSERT_TRUE(Drive([this] { return raw_->SendKeyUpdate(); }));
  SayTheRest();
  ASSERT_TRUE(Drive([this] { return server_->open(); })) << (*server_)->why();
}

TEST_F(FloodTest, AnotherConnectionOpensBesideAFloodThatDoesNotEnd) {
  Meet();
  SocketPair other;
  End server(Server(kSessionOnly), other.fd(0), clock_, waker_),
      client(Client(kSessionOnly), other.fd(1), clock_, waker_);
  ASSERT_TRUE(DriveUntil(
      waker_, {other.fd(0), other.fd(1)},
      [&] {
        while (raw_->SendKeyUpdate()) continue;  // the socket is full whenever the server comes to it
        server_->Advance(clock_.Now());
        if (!server.open()) server.Advance(clock_.Now());
        if (!client.open()) client.Advance(clock_.Now());
      },
      [&] { return server.open() && client.open(); }));
  EXPECT_FALSE(server_->open());
  EXPECT_FALSE(server_->closed());
}

TEST_F(FloodTest, KeyUpdatesOnAnOpenConnectionAreTakenOneByOne) {
  Meet();
  SayTheRest();
  ASSERT_TRUE(Drive([this] { return server_->open(); }));
  const int sent = Flood();
  char buffer[100];
  for (int i = 0; i < sent; ++i) {
    const int before = Unread(pair_.fd(0));
    ASSERT_EQ((*server_)->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kAgain);
    ASSERT_EQ(before - Unread(pair_.fd(0)), kKeyUpdateRecord);
  }
  ASSERT_TRUE(raw_->SendKeyUpdate());
  raw_->Send("hello");
  EXPECT_EQ(server_->ReadAll(5), "hello");
  EXPECT_EQ((*server_)->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kWouldBlock);
}

// Half a record is no reason to come again: the socket is waited for.
TEST_F(FloodTest, ThePartOfARecordIsWaitedFor) {
  StartServer(Server(kSessionOnly));
  StartClient(Client(kSessionOnly));
  ExpectOpen();
  ASSERT_EQ(send(pair_.fd(1), "\x17\x03\x03\x00\x40xyz", 8, 0), 8);
  char buffer[100];
  for (int i = 0; i < 3; ++i) EXPECT_EQ((*server_)->Read(buffer, sizeof(buffer)).kind, IoResult::Kind::kWouldBlock);
}

// A server's tickets, which we never use, come before its data; OpenSSL sends two by default.
TEST_F(FloodTest, TicketsBeforeTheDataLoseNothing) {
  Frame challenge;
  AwaitChallengeOfClient(*crypto::PrivateKey::Generate(crypto::KeyType::kP256), challenge);
  EXPECT_FALSE(challenge.body.empty());
}

// A ClientHello in records of one byte each: OpenSSL takes them all, but not in one call.
TEST_F(FloodTest, AHelloInRecordsOfOneByteIsTakenInParts) {
  SocketPair capture;
  RawOptions options;
  options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{Profile::kSession}, std::nullopt});
  RawPeer raw(std::move(options), capture.fd(1));
  raw.Step();
  char buffer[2048];
  const ssize_t size = recv(capture.fd(0), buffer, sizeof(buffer), 0);
  ASSERT_GT(size, 200);
  std::string records;
  for (ssize_t i = 5; i < size; ++i) records += std::string("\x16\x03\x01\x00\x01", 5) + buffer[i];
  ASSERT_EQ(send(pair_.fd(1), records.data(), records.size(), 0), static_cast<ssize_t>(records.size()));
  StartServer(Server(kSessionOnly));
  EXPECT_TRUE(server_->Advance(clock_.Now()).again);
  EXPECT_GT(Unread(pair_.fd(0)), 0);
  for (int i = 0; i < 20 && server_->progress().again; ++i) server_->Advance(clock_.Now());
  EXPECT_EQ(Unread(pair_.fd(0)), 0);
  EXPECT_GT(Unread(pair_.fd(1)), 0) << "a ServerHello";
}

}  // namespace
}  // namespace twi::atls
