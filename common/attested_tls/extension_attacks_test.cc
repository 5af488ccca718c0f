// The extension absent, malformed, in the wrong message or twice; downgrades; what is not TLS 1.3 or too large. Each
// refused with its own reason.
#include <sys/socket.h>

#include "common/attested_tls/handshake_attacks_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

// --- the extension

TEST_F(HandshakeAttackTest, AClientRefusesAPlainTlsServer) {
  RawOptions plain = RawServer(key_);
  plain.knows_extension = false;
  ExpectClientRefuses(plain, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT, kBoth);
}
TEST_F(HandshakeAttackTest, AServerRefusesAPlainTlsClientInTheHandshake) {
  RawOptions plain;
  plain.knows_extension = false;
  ExpectServerRefuses(AttestedTlsTest::Server(kHandshakeOnly), plain, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT);
  EXPECT_FALSE(raw_->done());
  ASSERT_TRUE(Drive([this] { return raw_->failed(); }));
  EXPECT_EQ(raw_->alert, SSL_AD_HANDSHAKE_FAILURE);
}
// Profile session lets it complete, tells it why, and closes.
TEST_F(HandshakeAttackTest, ASessionServerTellsAPlainTlsClientWhyItIsRefused) {
  RawOptions plain;
  plain.knows_extension = false;
  ExpectServerRefuses(AttestedTlsTest::Server(kSessionOnly), plain, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT);
  ASSERT_TRUE(Drive([this] { return raw_->failed(); }));
  EXPECT_TRUE(raw_->done());
  EXPECT_EQ(raw_->refused(), "ATTESTED_TLS_EXTENSION_ABSENT");
}
// Also where it demands attested clients: a stock client has no certificate to show, and is told the same.
TEST_F(HandshakeAttackTest, AChallengingSessionServerTellsAPlainTlsClientWhyItIsRefused) {
  RawOptions plain;
  plain.knows_extension = false;
  ExpectServerRefuses(ChallengingServer(kSessionOnly), plain, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT);
  ASSERT_TRUE(Drive([this] { return raw_->failed(); }));
  EXPECT_TRUE(raw_->done());
  EXPECT_EQ(raw_->refused(), "ATTESTED_TLS_EXTENSION_ABSENT");
  EXPECT_EQ(verifier_->sessions(), 0);
}
TEST_F(HandshakeAttackTest, AServerRefusesAMalformedExtension) {
  ExpectServerRefuses(AttestedTlsTest::Server(kBoth), RawClient("nonsense"),
                      v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
}
TEST_F(HandshakeAttackTest, AClientRefusesAMalformedExtension) {
  RawOptions options = RawServer(key_);
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = "nonsense";
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
}
// The diagram draws attested-key-ext-provide at ServerHello; TLS 1.3 has no place for it there.
TEST_F(HandshakeAttackTest, RefusesTheExtensionInServerHello) {
  RawOptions options = RawServer(key_, Kat(spki_, FirstNonce()));
  options.extension[SSL_EXT_TLS1_3_SERVER_HELLO] = WriteHelloProvide({Profile::kHandshake, kEvidenceMediaType});
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
}
TEST_F(HandshakeAttackTest, RefusesTheExtensionInTheServersCertificate) {
  RawOptions options = Server(key_, Kat(spki_, FirstNonce()));
  options.extension[SSL_EXT_TLS1_3_CERTIFICATE] = WriteMediaType(kEvidenceMediaType);
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
}
TEST_F(HandshakeAttackTest, RefusesAChallengeInCertificateRequestUnderSession) {
  RawOptions options = RawServer(key_);
  options.ask_for_certificate = true;
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
  options.extension[SSL_EXT_TLS1_3_CERTIFICATE_REQUEST] = WriteChallenge(SomeChallenge());
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID, kSessionOnly);
}

// Two attested_key extensions in one ClientHello: made by hand from one that OpenSSL made, sent as bytes.
TEST_F(HandshakeAttackTest, RefusesADuplicatedExtension) {
  SocketPair capture;
  RawPeer raw(RawClient(WriteHelloRequest({{Profile::kSession}, std::nullopt})), capture.fd(1));
  raw.Step();
  char buffer[8192];
  const ssize_t size = recv(capture.fd(0), buffer, sizeof(buffer), 0);
  ASSERT_GT(size, 0);
  std::string hello(buffer, static_cast<std::size_t>(size));
  const std::string extension("\xFF\xA7\x00\x04\x01\x01\x00\x00", 8);
  const std::size_t at = hello.find(extension);
  ASSERT_NE(at, std::string::npos) << "the ClientHello carries attested_key in the clear";
  hello.insert(at, extension);
  const auto add = [&hello](std::size_t offset, int bytes) {  // a big-endian length grows by the extension
    std::size_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(hello[offset + i]);
    value += 8;
    for (int i = bytes - 1; i >= 0; --i, value >>= 8) hello[offset + i] = static_cast<char>(value & 0xFF);
  };
  const auto byte = [&hello](std::size_t offset) {
    return static_cast<std::size_t>(static_cast<unsigned char>(hello[offset]));
  };
  add(3, 2);                                             // record
  add(6, 3);                                             // handshake message
  std::size_t offset = 9 + 2 + 32;                       // version, random
  offset += 1 + byte(offset);                            // session id
  offset += 2 + (byte(offset) << 8 | byte(offset + 1));  // cipher suites
  offset += 1 + byte(offset);                            // compression
  add(offset, 2);
  StartServer(AttestedTlsTest::Server(kBoth));
  ASSERT_EQ(send(pair_.fd(1), hello.data(), hello.size(), 0), static_cast<ssize_t>(hello.size()));
  pair_.Close(1);
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); }, [this] { return Settled(server_); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID));
}

// A client whose first key share no server of ours takes sends a second ClientHello (RFC 8446 section 4.1.4), in which
// nothing of this may have changed: it is the first that was attested.
class SecondHelloTest : public HandshakeAttackTest {
 protected:
  RawOptions TwiceClient(const std::string& first, const std::string& second) {
    RawOptions options = RawClient(first);
    if (first.empty()) options.extension.clear();
    options.second_hello = second;
    options.groups = "P-384:X25519";  // the first is the one whose share it sends
    return options;
  }
  void ExpectRefused(const std::string& first, const std::string& second) {
    ExpectServerRefuses(AttestedTlsTest::Server(kBoth), TwiceClient(first, second),
                        v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
  }
  const std::string session_ = WriteHelloRequest({{Profile::kSession}, std::nullopt});
  const std::string handshake_ = WriteHelloRequest({{Profile::kHandshake}, SomeChallenge()});
};

TEST_F(SecondHelloTest, TheSameExtensionIsTaken) {
  StartServer(AttestedTlsTest::Server(kBoth));
  StartRaw(TwiceClient(handshake_, handshake_));
  ASSERT_TRUE(Drive([this] { return Settled(server_); }));
  EXPECT_TRUE(server_->open()) << (*server_)->why();
}
TEST_F(SecondHelloTest, RefusesAnotherNonce) {
  Challenge other = SomeChallenge();
  other.nonce = std::string(32, 'o');
  ExpectRefused(handshake_, WriteHelloRequest({{Profile::kHandshake}, other}));
}
TEST_F(SecondHelloTest, RefusesAnotherProfile) { ExpectRefused(session_, handshake_); }
TEST_F(SecondHelloTest, RefusesAnExtensionThatIsGone) { ExpectRefused(session_, ""); }
TEST_F(SecondHelloTest, RefusesAnExtensionThatComesLate) { ExpectRefused("", session_); }

// --- downgrade

TEST_F(HandshakeAttackTest, AClientOfSessionRefusesAServerThatSelectsHandshake) {
  ExpectClientRefuses(Server(key_, Kat(spki_, FirstNonce())), v1::DENY_REASON_ATTESTED_TLS_PROFILE_NOT_ACCEPTED,
                      kSessionOnly);
}
TEST_F(HandshakeAttackTest, AServerOfSessionRefusesAClientThatOffersOnlyHandshake) {
  ExpectServerRefuses(AttestedTlsTest::Server(kSessionOnly),
                      RawClient(WriteHelloRequest({{Profile::kHandshake}, SomeChallenge()})),
                      v1::DENY_REASON_ATTESTED_TLS_PROFILE_NOT_ACCEPTED);
}
TEST_F(HandshakeAttackTest, TwoEndsWithoutACommonProfileDoNotMeet) {
  StartServer(AttestedTlsTest::Server(kSessionOnly));
  StartClient(Client(kHandshakeOnly));
  DriveToEnd();
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_PROFILE_NOT_ACCEPTED));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED));
}

// --- what is not TLS 1.3

// Which has no place for our extension, but a ClientHello can carry it. The callback that looks for it comes before
// OpenSSL settles the version.
class Tls12Test : public HandshakeAttackTest {
 protected:
  void ExpectRefused(std::vector<Profile> profiles, RawOptions client, DenyReason reason, int alert) {
    client.version = TLS1_2_VERSION;
    ExpectServerRefuses(AttestedTlsTest::Server(std::move(profiles)), std::move(client), reason);
    ASSERT_TRUE(Drive([this] { return raw_->failed(); }));
    EXPECT_FALSE(raw_->done());
    EXPECT_EQ(raw_->alert, alert);
  }
  static RawOptions Plain() {
    RawOptions options;
    options.knows_extension = false;
    return options;
  }
};

TEST_F(Tls12Test, ASessionServerRefusesAPlainClient) {
  ExpectRefused(kSessionOnly, Plain(), v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, SSL_AD_PROTOCOL_VERSION);
}
TEST_F(Tls12Test, AHandshakeServerRefusesAPlainClientForTheExtension) {
  ExpectRefused(kHandshakeOnly, Plain(), v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT, SSL_AD_HANDSHAKE_FAILURE);
}
TEST_F(Tls12Test, ASessionServerRefusesAClientWithTheExtension) {
  ExpectRefused(kSessionOnly, RawClient(WriteHelloRequest({{Profile::kSession}, std::nullopt})),
                v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, SSL_AD_PROTOCOL_VERSION);
}
TEST_F(Tls12Test, AHandshakeServerRefusesAClientWithTheExtension) {
  ExpectRefused(kHandshakeOnly, RawClient(WriteHelloRequest({{Profile::kHandshake}, SomeChallenge()})),
                v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, SSL_AD_PROTOCOL_VERSION);
}

class OversizedHelloTest : public HandshakeAttackTest {
 protected:
  // Record, and in it the header of a ClientHello that announces `size` bytes: the most that OpenSSL takes is 131,396,
  // for which it would make room at once.
  static std::string Header(std::size_t size) {
    std::string header("\x16\x03\x01\x00\x04\x01", 6);
    for (int shift = 16; shift >= 0; shift -= 8) header.push_back(static_cast<char>((size >> shift) & 0xFF));
    return header;
  }
  void ExpectRefused() {
    ASSERT_TRUE(Drive([this] { return server_->progress().want_read && !server_->progress().want_write; }));
    EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
    pair_.Close(1);
    ASSERT_TRUE(DriveUntil(
        waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); }, [this] { return server_->closed(); }));
  }
};

TEST_F(OversizedHelloTest, RefusesItFromItsHeader) {
  StartServer(AttestedTlsTest::Server(kBoth));
  const std::string header = Header(131'396);
  ASSERT_EQ(send(pair_.fd(1), header.data(), header.size(), 0), static_cast<ssize_t>(header.size()));
  ExpectRefused();
}

TEST_F(OversizedHelloTest, RefusesItFromAHeaderThatArrivesInPieces) {
  StartServer(AttestedTlsTest::Server(kBoth));
  for (const char byte : Header(131'396)) {
    EXPECT_TRUE((*server_)->why().ok());
    ASSERT_EQ(send(pair_.fd(1), &byte, 1, 0), 1);
    server_->Advance(clock_.Now());
  }
  ExpectRefused();
}

TEST_F(OversizedHelloTest, TheLargestAllowedIsWaitedFor) {
  StartServer(AttestedTlsTest::Server(kBoth));
  const std::string header = Header(kMaxClientHello - 4);
  ASSERT_EQ(send(pair_.fd(1), header.data(), header.size(), 0), static_cast<ssize_t>(header.size()));
  EXPECT_TRUE(server_->Advance(clock_.Now()).want_read);
  EXPECT_TRUE((*server_)->why().ok());
}

// A client that makes the server ask again (HelloRetryRequest: no key share that it takes) has a second try.
TEST_F(OversizedHelloTest, RefusesItAfterAHelloRetryRequest) {
  SocketPair capture;
  RawOptions options = RawClient(WriteHelloRequest({{Profile::kSession}, std::nullopt}));
  options.groups = "P-384:X25519";  // the first is the one whose share it sends
  RawPeer raw(std::move(options), capture.fd(1));
  raw.Step();
  char buffer[8192];
  const ssize_t size = recv(capture.fd(0), buffer, sizeof(buffer), 0);
  ASSERT_GT(size, 0);
  StartServer(AttestedTlsTest::Server(kBoth));
  ASSERT_EQ(send(pair_.fd(1), buffer, static_cast<std::size_t>(size), 0), size);
  server_->Advance(clock_.Now());
  ASSERT_TRUE((*server_)->why().ok());
  ASSERT_GT(recv(pair_.fd(1), buffer, sizeof(buffer), 0), 6);
  ASSERT_EQ(buffer[5], SSL3_MT_SERVER_HELLO);  // with HelloRetryRequest's random
  const std::string header = Header(131'396);
  ASSERT_EQ(send(pair_.fd(1), header.data(), header.size(), 0), static_cast<ssize_t>(header.size()));
  ExpectRefused();
}

TEST_F(HandshakeAttackTest, AServerRefusesWhatIsNotTls) {
  StartServer(AttestedTlsTest::Server(kSessionOnly));
  const std::string http = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
  ASSERT_EQ(send(pair_.fd(1), http.data(), http.size(), 0), static_cast<ssize_t>(http.size()));
  pair_.Close(1);
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); }, [this] { return Settled(server_); }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED));
}

}  // namespace
}  // namespace twi::atls
