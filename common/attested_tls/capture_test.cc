// What stands where on the wire, seen by a TLS implementation that is not ours: the ClientHello in the clear, the
// encrypted messages by OpenSSL's message callback in a raw peer. And a stock `openssl s_client`.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

// Body of the extension of `type` in a list of extensions, by RFC 8446 section 4.2; nullopt when it is not there.
std::optional<std::string> FindExtension(absl::string_view list, std::uint16_t wanted) {
  while (list.size() >= 4) {
    const auto byte = [&list](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(list[i])); };
    const std::size_t type = byte(0) << 8 | byte(1), size = byte(2) << 8 | byte(3);
    if (list.size() < 4 + size) return std::nullopt;
    if (type == wanted) return std::string(list.substr(4, size));
    list.remove_prefix(4 + size);
  }
  return std::nullopt;
}

std::size_t Number(absl::string_view bytes, std::size_t at, int size) {
  std::size_t value = 0;
  for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The list of extensions of a ClientHello handshake message (RFC 8446 section 4.1.2).
absl::string_view ClientHelloExtensions(absl::string_view message) {
  std::size_t at = 4 + 2 + 32;
  at += 1 + Number(message, at, 1);
  at += 2 + Number(message, at, 2);
  at += 1 + Number(message, at, 1);
  return message.substr(at + 2, Number(message, at, 2));
}

// Of a ServerHello (section 4.1.3).
absl::string_view ServerHelloExtensions(absl::string_view message) {
  std::size_t at = 4 + 2 + 32;
  at += 1 + Number(message, at, 1);
  at += 2 + 1;
  return message.substr(at + 2, Number(message, at, 2));
}

const std::string* Message(const std::vector<std::pair<int, std::string>>& messages, int type) {
  for (const auto& [seen, bytes] : messages) {
    if (seen == type) return &bytes;
  }
  return nullptr;
}

class CaptureTest : public AttestedTlsTest {
 protected:
  // What our client sends first, off the socket.
  std::string CaptureClientHello(std::vector<Profile> profiles) {
    StartClient(Client(std::move(profiles)));
    std::string record;
    EXPECT_TRUE(Drive([&] {
      char buffer[8192];
      const ssize_t got = recv(pair_.fd(0), buffer, sizeof(buffer), 0);
      if (got > 0) record.append(buffer, static_cast<std::size_t>(got));
      return record.size() > 5 && record.size() >= 5 + Number(record, 3, 2);
    }));
    EXPECT_EQ(record[0], SSL3_RT_HANDSHAKE);
    EXPECT_EQ(record[5], SSL3_MT_CLIENT_HELLO);
    return record.substr(5);
  }
};

TEST_F(CaptureTest, ClientHelloOfHandshakeCarriesNonceAndMediaTypesInTheClear) {
  const std::string hello = CaptureClientHello(kHandshakeOnly);
  const std::optional<std::string> body = FindExtension(ClientHelloExtensions(hello), 0xFFA7);
  ASSERT_TRUE(body.has_value());
  ASSERT_OK_AND_ASSIGN(const HelloRequest request, ReadHelloRequest(*body));
  EXPECT_EQ(request.profiles, kHandshakeOnly);
  EXPECT_EQ(request.challenge->nonce, twi::testing::FakeRandom().Bytes(32));
  EXPECT_EQ(request.challenge->media_types, verifier_->media_types);
  EXPECT_EQ(request.challenge->relying_party, kRpId);
}

TEST_F(CaptureTest, ClientHelloOfSessionCarriesNoNonceAndNoName) {
  const std::string hello = CaptureClientHello(kSessionOnly);
  const std::optional<std::string> body = FindExtension(ClientHelloExtensions(hello), 0xFFA7);
  EXPECT_EQ(body, std::string("\x01\x01\x00\x00", 4));
  EXPECT_EQ(hello.find(kRpId), std::string::npos);
}

TEST_F(CaptureTest, ClientHelloOffersNoResumptionAndNoEarlyData) {
  const std::string hello = CaptureClientHello(kBoth);
  const absl::string_view extensions = ClientHelloExtensions(hello);
  EXPECT_FALSE(FindExtension(extensions, TLSEXT_TYPE_psk).has_value());
  EXPECT_FALSE(FindExtension(extensions, TLSEXT_TYPE_early_data).has_value());
  EXPECT_FALSE(FindExtension(extensions, TLSEXT_TYPE_session_ticket).has_value());
  EXPECT_FALSE(FindExtension(extensions, TLSEXT_TYPE_post_handshake_auth).has_value());
  EXPECT_EQ(FindExtension(extensions, TLSEXT_TYPE_supported_versions),
            std::string("\x02\x03\x04", 3));  // TLS 1.3 alone
}

// The server's flight as a TLS 1.3 client sees it.
TEST_F(CaptureTest, TheServersExtensionIsInEncryptedExtensionsAndNowhereElse) {
  StartServer(Server(kHandshakeOnly));
  RawOptions options;
  options.extension[SSL_EXT_CLIENT_HELLO] =
      WriteHelloRequest({{Profile::kHandshake}, Challenge{std::string(32, 'n'), {kEvidenceMediaType}, kRpId}});
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([this] { return raw_->done() || raw_->failed(); }));
  ASSERT_TRUE(raw_->done());
  const std::string* encrypted = Message(raw_->received_messages, SSL3_MT_ENCRYPTED_EXTENSIONS);
  ASSERT_NE(encrypted, nullptr);
  const std::optional<std::string> body =
      FindExtension(absl::string_view(*encrypted).substr(6, Number(*encrypted, 4, 2)), 0xFFA7);
  ASSERT_TRUE(body.has_value());
  ASSERT_OK_AND_ASSIGN(const HelloProvide provide, ReadHelloProvide(*body));
  EXPECT_EQ(provide.profile, Profile::kHandshake);
  EXPECT_EQ(provide.media_type, kEvidenceMediaType);
  const std::string* server_hello = Message(raw_->received_messages, SSL3_MT_SERVER_HELLO);
  ASSERT_NE(server_hello, nullptr);
  EXPECT_FALSE(FindExtension(ServerHelloExtensions(*server_hello), 0xFFA7).has_value());
  EXPECT_EQ(raw_->received.size(), 1u);
  EXPECT_EQ(raw_->received.count(SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS), 1u);
  // Certificate(KAT)
  ASSERT_OK_AND_ASSIGN(const Leaf leaf, ReadLeaf(raw_->peer_leaf_der(), clock_.Now()));
  ASSERT_TRUE(leaf.kat.has_value());
  EXPECT_EQ(leaf.kat->media_type, kEvidenceMediaType);
  // No tickets, ever.
  EXPECT_EQ(Message(raw_->received_messages, SSL3_MT_NEWSESSION_TICKET), nullptr);
}

TEST_F(CaptureTest, AMutualServersChallengeIsInCertificateRequest) {
  StartServer(ChallengingServer(kHandshakeOnly));
  RawOptions options;
  options.extension[SSL_EXT_CLIENT_HELLO] =
      WriteHelloRequest({{Profile::kHandshake}, Challenge{std::string(32, 'n'), {kEvidenceMediaType}, kRpId}});
  StartRaw(std::move(options));
  ASSERT_TRUE(Drive([this] { return raw_->done() || raw_->failed(); }));
  ASSERT_EQ(raw_->received.count(SSL_EXT_TLS1_3_CERTIFICATE_REQUEST), 1u);
  ASSERT_OK_AND_ASSIGN(const Challenge challenge, ReadChallenge(raw_->received[SSL_EXT_TLS1_3_CERTIFICATE_REQUEST]));
  EXPECT_EQ(challenge.relying_party, kServerRpId);
}

// A stock client completes TLS 1.3 against a server of profile session, is told, and is refused.
TEST_F(CaptureTest, StockOpensslSClientCompletesAndIsThenRefused) {
  if (system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no openssl command here";
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::string output;
  std::thread client([&output, port = ntohs(address.sin_port)] {
    const std::string command =
        "openssl s_client -tls1_3 -connect 127.0.0.1:" + std::to_string(port) + " -ign_eof </dev/null 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    for (std::size_t got = 0; pipe != nullptr && (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
      output.append(buffer, got);
    if (pipe != nullptr) pclose(pipe);
  });
  const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  {
    End server(Server(kSessionOnly), accepted, clock_, waker_);
    EXPECT_TRUE(DriveUntil(
        waker_, {accepted}, [&] { server.Advance(clock_.Now()); }, [&] { return server.closed(); }));
    EXPECT_THAT(server->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT));
  }
  close(accepted);
  client.join();
  close(listener);
  EXPECT_THAT(output, ::testing::HasSubstr("New, TLSv1.3, Cipher is TLS_AES_"));
  EXPECT_THAT(output, ::testing::HasSubstr("ATTESTED_TLS_EXTENSION_ABSENT"));
}

}  // namespace
}  // namespace twi::atls
