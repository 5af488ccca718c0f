// Every attack on profile handshake and on the choice of the profile, each refused with its own reason; and the one
// that passes.
#include <sys/socket.h>

#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/attested_tls_fixture.h"
#include "common/crypto/x509_builder.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class HandshakeAttackTest : public AttestedTlsTest {
 protected:
  // Our client against a raw server. A raw server has its leaf beforehand, and the client's nonce is the first of the
  // fake Verifier: known.
  CmwRecord Kat(const std::string& spki, const std::string& nonce, const std::string& tag = kTrustedTag) {
    const v1::Binding binding = MakeBinding(Profile::kHandshake, Role::kServer, nonce, kRpId, {spki, "", ""});
    return {kEvidenceMediaType, FakeTee(tag)(binding)->SerializeAsString()};
  }
  static std::string FirstNonce() { return twi::testing::FakeRandom().Bytes(32); }
  RawOptions Server(const crypto::PrivateKey& key, const std::optional<CmwRecord>& kat) {
    RawOptions options = RawServer(key, kat);
    options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] =
        WriteHelloProvide({Profile::kHandshake, kEvidenceMediaType});
    return options;
  }
  void ExpectClientRefuses(RawOptions server, DenyReason reason, std::vector<Profile> profiles = kHandshakeOnly) {
    StartClient(Client(std::move(profiles)));
    StartRaw(std::move(server));
    ASSERT_TRUE(Drive([this] { return Settled(client_); }));
    EXPECT_TRUE(client_->closed());
    EXPECT_THAT((*client_)->why(), StatusIs(reason));
    EXPECT_EQ((*client_)->peer(), nullptr);
  }
  void ExpectServerRefuses(Settings server, RawOptions client, DenyReason reason) {
    StartServer(std::move(server));
    StartRaw(std::move(client));
    ASSERT_TRUE(Drive([this] { return Settled(server_); }));
    EXPECT_THAT((*server_)->why(), StatusIs(reason));
  }
  static RawOptions RawClient(const std::string& extension) {
    RawOptions options;
    options.extension[SSL_EXT_CLIENT_HELLO] = extension;
    return options;
  }
  static Challenge SomeChallenge() { return {std::string(32, 'n'), {kEvidenceMediaType}, kRpId}; }

  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  const std::string spki_ = key_.public_key().spki();
};

TEST_F(HandshakeAttackTest, TheHonestPeerThatTheAttacksStartFromIsAccepted) {
  StartClient(Client(kHandshakeOnly));
  StartRaw(Server(key_, Kat(spki_, FirstNonce())));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_TRUE(client_->open()) << (*client_)->why();
}

// DEMONSTRATION: why `session` is the default. The attacker has the TLS identity key of a genuine server (taken by a
// side channel, or because the key never was resident in the TEE: CVE-2026-33697), and reaches that server as anybody
// does. He hands the victim's nonce on, gets a fresh KAT for that key, shows it to the victim and signs
// CertificateVerify himself. Profile handshake binds Evidence to a key, not to a connection: the victim is satisfied,
// and talks to the attacker's machine. RelayTest in session_attacks_test.cc is the same attack under `session`.
TEST_F(HandshakeAttackTest, ARelayPassesUnderHandshakeAlone) {
  StartClient(Client(kHandshakeOnly));
  // The attacker reads the victim's challenge off the ClientHello, where it stands in the clear, ...
  const std::string challenge_body = WriteChallenge({FirstNonce(), verifier_->media_types, kRpId});
  // ... asks the genuine server with it, over a connection of his own ...
  SocketPair other;
  End genuine(ServerSettings(kHandshakeOnly, AttesterWithKey(key_, FakeTee())), other.fd(0), clock_, waker_);
  RawPeer asking(RawClient(WriteHelloRequest({{Profile::kHandshake}, *ReadChallenge(challenge_body)})), other.fd(1));
  ASSERT_TRUE(DriveUntil(
      waker_, {other.fd(0), other.fd(1)},
      [&] {
        genuine.Advance(clock_.Now());
        asking.Step();
      },
      [&] { return asking.done() && genuine.open(); }));
  // ... and shows the victim the genuine server's certificate.
  RawOptions attacker = Server(key_, std::nullopt);
  attacker.leaf_der = asking.peer_leaf_der();
  StartRaw(std::move(attacker));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  ASSERT_TRUE(client_->open()) << (*client_)->why();
  EXPECT_EQ((*client_)->peer()->results.software["name"], "payroll");
  client_->WriteAll("the victim's secret");
  ASSERT_TRUE(Drive([this] { return !raw_->application.empty(); }));
  EXPECT_EQ(raw_->application, "the victim's secret");  // in the attacker's hands
  // What the victim was told of it: the one check that was not made is named.
  EXPECT_THAT((*client_)->peer()->checks.back(), ::testing::HasSubstr("NOT CHECKED"));
}

TEST_F(HandshakeAttackTest, RefusesAKatOfAnotherKey) {
  const crypto::PrivateKey other = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  ExpectClientRefuses(Server(key_, Kat(other.public_key().spki(), FirstNonce())), v1::DENY_REASON_BINDING_MISMATCH);
}

// The genuine leaf with its KAT, by somebody who does not have the key: he can relay Evidence for this very nonce, and
// has to sign CertificateVerify with another key.
class WrongSigner final : public Attester {
 public:
  explicit WrongSigner(std::shared_ptr<const Attester> genuine) : genuine_(std::move(genuine)) {}
  const std::string& key_spki() const override { return genuine_->key_spki(); }
  const std::string& key_sha256() const override { return genuine_->key_sha256(); }
  absl::StatusOr<std::string> SignHandshake(absl::string_view content) const override {
    return own_.Sign(crypto::SignatureAlgorithm::kEcdsaP256Sha256, content);
  }
  absl::StatusOr<std::string> MakeLeaf(const std::optional<CmwRecord>& kat, absl::Time now) const override {
    return genuine_->MakeLeaf(kat, now);
  }
  absl::StatusOr<CmwRecord> AttestKey(const v1::Binding& binding) const override {
    return genuine_->AttestKey(binding);
  }

 private:
  const std::shared_ptr<const Attester> genuine_;
  const crypto::PrivateKey own_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
};

TEST_F(HandshakeAttackTest, RefusesTheGenuineLeafOfWhoHasNotItsKey) {
  for (const std::vector<Profile>& profiles : {kHandshakeOnly, kSessionOnly}) {
    SocketPair pair;
    End server(ServerSettings(profiles, std::make_shared<WrongSigner>(GenuineAttester())), pair.fd(0), clock_, waker_);
    End client(Client(profiles), pair.fd(1), clock_, waker_);
    ASSERT_TRUE(DriveUntil(
        waker_, {pair.fd(0), pair.fd(1)},
        [&] {
          server.Advance(clock_.Now());
          client.Advance(clock_.Now());
        },
        [&] { return client.open() || client.closed(); }));
    EXPECT_THAT(client->why(),
                StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, ::testing::HasSubstr("bad signature")));
  }
  EXPECT_EQ(verifier_->submissions(), 1) << "under handshake the Evidence was appraised, and was genuine";
}

TEST_F(HandshakeAttackTest, RefusesAKatForAStaleNonce) {
  ExpectClientRefuses(Server(key_, Kat(spki_, std::string(32, 'o'))), v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_F(HandshakeAttackTest, RefusesAKatOfTheOtherRole) {
  const v1::Binding client = MakeBinding(Profile::kHandshake, Role::kClient, FirstNonce(), kRpId, {spki_, "", ""});
  ExpectClientRefuses(Server(key_, CmwRecord{kEvidenceMediaType, FakeTee()(client)->SerializeAsString()}),
                      v1::DENY_REASON_BINDING_MISMATCH);
}

TEST_F(HandshakeAttackTest, RefusesAKatOfUntrustedSoftware) {
  ExpectClientRefuses(Server(key_, Kat(spki_, FirstNonce(), "something else")), v1::DENY_REASON_MEASUREMENT_UNKNOWN);
}

TEST_F(HandshakeAttackTest, RefusesAMissingKat) {
  ExpectClientRefuses(Server(key_, std::nullopt), v1::DENY_REASON_ATTESTED_TLS_KAT_MISSING);
}

TEST_F(HandshakeAttackTest, RefusesAKatThatIsNotAnnounced) {
  RawOptions options = Server(key_, Kat(spki_, FirstNonce()));
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kHandshake, ""});
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_KAT_MISSING);
}

TEST_F(HandshakeAttackTest, RefusesAKatOfAnotherTypeThanAnnounced) {
  CmwRecord kat = Kat(spki_, FirstNonce());
  kat.media_type = "application/eat+cwt";
  ExpectClientRefuses(Server(key_, kat), v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED);
}

TEST_F(HandshakeAttackTest, RefusesATypeThatTheVerifierDoesNotTake) {
  CmwRecord kat = Kat(spki_, FirstNonce());
  kat.media_type = "application/eat+cwt";
  RawOptions options = Server(key_, kat);
  options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] =
      WriteHelloProvide({Profile::kHandshake, "application/eat+cwt"});
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED);
}

TEST_F(HandshakeAttackTest, RefusesATruncatedKat) {
  CmwRecord kat = Kat(spki_, FirstNonce());
  kat.value.resize(kat.value.size() - 1);
  ExpectClientRefuses(Server(key_, kat), v1::DENY_REASON_EVIDENCE_MALFORMED);
}

TEST_F(HandshakeAttackTest, RefusesAKatThatIsNoCmw) {
  RawOptions options = Server(key_, std::nullopt);
  crypto::CertificateTemplate leaf;
  leaf.serial = "\x01";
  leaf.issuer_der = leaf.subject_der = crypto::NameFromCommonName("x");
  leaf.not_before = clock_.Now();
  leaf.not_after = clock_.Now() + absl::Hours(1);
  leaf.subject_spki = spki_;
  leaf.key_usage = crypto::kKeyUsageDigitalSignature;
  leaf.extensions.push_back({kCmwOid, false, "\x04\x02\x83\x63"});
  options.leaf_der = *crypto::SignCertificate(leaf, key_);
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED);
}

TEST_F(HandshakeAttackTest, RefusesAHugeKat) {
  RawOptions options = Server(key_, std::nullopt);
  crypto::CertificateTemplate leaf;
  leaf.serial = "\x01";
  leaf.issuer_der = leaf.subject_der = crypto::NameFromCommonName("x");
  leaf.not_before = clock_.Now();
  leaf.not_after = clock_.Now() + absl::Hours(1);
  leaf.subject_spki = spki_;
  leaf.key_usage = crypto::kKeyUsageDigitalSignature;
  leaf.extensions.push_back({kCmwOid, false, WriteCmwExtension({"a/b", std::string(100'000, 'x')})});
  options.leaf_der = *crypto::SignCertificate(leaf, key_);
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE);
}

// --- the Attestation Results

class ResultsAttackTest : public HandshakeAttackTest {
 protected:
  void ExpectRefused(DenyReason reason) {
    for (const Profile profile : {Profile::kHandshake, Profile::kSession}) {
      SocketPair pair;
      End server(ServerSettings({profile}, GenuineAttester()), pair.fd(0), clock_, waker_);
      End client(Client({profile}), pair.fd(1), clock_, waker_);
      ASSERT_TRUE(DriveUntil(
          waker_, {pair.fd(0), pair.fd(1)},
          [&] {
            server.Advance(clock_.Now());
            client.Advance(clock_.Now());
          },
          [&] { return client.open() || client.closed(); }));
      EXPECT_THAT(client->why(), StatusIs(reason));
    }
  }
};

TEST_F(ResultsAttackTest, RefusesResultsOfAnotherSession) {
  verifier_->tamper = [](AttestationResults& r) { r.nonce = std::string(32, 'x'); };
  ExpectRefused(v1::DENY_REASON_ATTESTED_TLS_STALE_NONCE);
}
TEST_F(ResultsAttackTest, RefusesResultsOfTheOtherRole) {
  verifier_->tamper = [](AttestationResults& r) {
    const bool session = r.target == BindingTarget(Profile::kSession, Role::kServer);
    r.target = BindingTarget(session ? Profile::kSession : Profile::kHandshake, Role::kClient);
  };
  ExpectRefused(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE);
}
TEST_F(ResultsAttackTest, RefusesResultsOfTheOtherProfile) {
  verifier_->tamper = [](AttestationResults& r) {
    const bool session = r.target == BindingTarget(Profile::kSession, Role::kServer);
    r.target = BindingTarget(session ? Profile::kHandshake : Profile::kSession, Role::kServer);
  };
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH);
}
TEST_F(ResultsAttackTest, RefusesResultsOverAnotherBinding) {
  verifier_->tamper = [](AttestationResults& r) { r.reported_binding = std::string(64, 'x'); };
  ExpectRefused(v1::DENY_REASON_BINDING_MISMATCH);
}
TEST_F(ResultsAttackTest, RefusesResultsOfAnotherVerifier) {
  verifier_->foreign_key = true;
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_UNKNOWN);
}
TEST_F(ResultsAttackTest, RefusesResultsForAnotherAudience) {
  verifier_->tamper = [](AttestationResults& r) { r.audience = "https://somebody-else.example.org"; };
  ExpectRefused(v1::DENY_REASON_RESULTS_WRONG_AUDIENCE);
}
TEST_F(ResultsAttackTest, RefusesResultsOfAnotherKey) {
  verifier_->tamper = [this](AttestationResults& r) { r.key_spki = spki_; };
  ExpectRefused(v1::DENY_REASON_RESULTS_KEY_MISMATCH);
}
TEST_F(ResultsAttackTest, RefusesResultsOfAnotherChannel) {
  verifier_->tamper = [](AttestationResults& r) { r.channel_key_sha256 = std::string(32, 'x'); };
  ExpectRefused(v1::DENY_REASON_RESULTS_WRONG_CHANNEL);
}
TEST_F(ResultsAttackTest, RefusesStaleResults) {
  verifier_->tamper = [](AttestationResults& r) {
    r.issued_at -= absl::Hours(1);
    r.expires_at = r.issued_at + absl::Minutes(5);
  };
  ExpectRefused(v1::DENY_REASON_RESULTS_EXPIRED);
}
TEST_F(ResultsAttackTest, RefusesResultsThatDoNotAffirm) {
  verifier_->tamper = [](AttestationResults& r) { r.status = EarStatus::kWarning; };
  ExpectRefused(v1::DENY_REASON_RESULTS_NOT_AFFIRMING);
}

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
