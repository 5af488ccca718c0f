// Attacks on the KAT of profile handshake, each refused with its own reason; and the one that passes. On the results:
// results_attacks_test.cc; on the extension and the choice of the profile: extension_attacks_test.cc.
#include <sys/socket.h>

#include <algorithm>

#include "common/attested_tls/handshake_attacks_fixture.h"
#include "common/attested_tls/presentation.h"
#include "common/crypto/x509_builder.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

TEST_F(HandshakeAttackTest, TheHonestPeerThatTheAttacksStartFromIsAccepted) {
  StartClient(Client(kHandshakeOnly));
  StartRaw(Server(key_, Kat(spki_, FirstNonce())));
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_TRUE(client_->open()) << (*client_)->why();
}

class WireTappingTest : public HandshakeAttackTest {
 protected:
  // Body of attested_key in the ClientHello of our client, which stays in the socket.
  std::string ExtensionOffTheWire() {
    char hello[4096];
    ssize_t size = 0;
    EXPECT_TRUE(Drive([&] { return (size = recv(pair_.fd(0), hello, sizeof(hello), MSG_PEEK)) > 0; }));
    const std::string bytes(hello, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    const std::size_t at = bytes.find("\xFF\xA7");
    if (at == std::string::npos || at + 4 > bytes.size()) return "";
    PartReader in(absl::string_view(bytes).substr(at + 2));
    absl::string_view body;
    return in.Vector(2, 0, kMaxExtension, body) ? std::string(body) : "";
  }
};

// DEMONSTRATION: why `session` is the default. The attacker has the TLS identity key of a genuine server (taken by a
// side channel, or because the key never was resident in the TEE: CVE-2026-33697), and reaches that server as anybody
// does. He hands the victim's nonce on, gets a fresh KAT for that key, shows it to the victim and signs
// CertificateVerify himself. Profile handshake binds Evidence to a key, not to a connection: the victim is satisfied,
// and talks to the attacker's machine. RelayTest in session_attacks_test.cc is the same attack under `session`.
TEST_F(WireTappingTest, ARelayPassesUnderHandshakeAlone) {
  StartClient(Client(kHandshakeOnly));
  // The attacker reads the victim's challenge off the ClientHello, where it stands in the clear, ...
  ASSERT_OK_AND_ASSIGN(const HelloRequest victims, ReadHelloRequest(ExtensionOffTheWire()));
  // ... asks the genuine server with it, over a connection of his own ...
  SocketPair other;
  End genuine(ServerSettings(kHandshakeOnly, AttesterWithKey(key_, FakeTee())), other.fd(0), clock_, waker_);
  RawPeer asking(RawClient(WriteHelloRequest({{Profile::kHandshake}, victims.challenge})), other.fd(1));
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
    EXPECT_EQ(client->peer(), nullptr) << "appraised, and not proven";
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

// A leaf whose id-pe-cmw extension has this value.
class MadeLeafTest : public HandshakeAttackTest {
 protected:
  std::string LeafWithCmw(const std::string& value) const {
    crypto::CertificateTemplate leaf;
    leaf.serial = "\x01";
    leaf.issuer_der = leaf.subject_der = crypto::NameFromCommonName("x");
    leaf.not_before = clock_.Now();
    leaf.not_after = clock_.Now() + absl::Hours(1);
    leaf.subject_spki = spki_;
    leaf.key_usage = crypto::kKeyUsageDigitalSignature;
    leaf.extensions.push_back({kCmwOid, false, value});
    return *crypto::SignCertificate(leaf, key_);
  }
};

TEST_F(MadeLeafTest, RefusesAKatThatIsNoCmw) {
  RawOptions options = Server(key_, std::nullopt);
  options.leaf_der = LeafWithCmw("\x04\x02\x83\x63");
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_KAT_MALFORMED);
}

TEST_F(MadeLeafTest, RefusesAHugeKat) {
  RawOptions options = Server(key_, std::nullopt);
  options.leaf_der = LeafWithCmw(WriteCmwExtension({"a/b", std::string(100'000, 'x')}));
  ExpectClientRefuses(options, v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE);
}

}  // namespace
}  // namespace twi::atls
