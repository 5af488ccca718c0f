// What a client shows to a challenging server of profile handshake (and of session, which wants no KAT): attacks on its
// Certificate, each refused with its own reason. On that of a server: handshake_attacks_test.cc.
#include <sys/socket.h>

#include "common/attested_tls/handshake_attacks_fixture.h"
#include "common/attested_tls/presentation.h"
#include "common/crypto/hash.h"
#include "openssl/evp.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class ClientCertificateTest : public HandshakeAttackTest {
 protected:
  // An honest client's, for the server's nonce, which is the first of the fake Verifier.
  CmwRecord ClientKat(const std::string& nonce = FirstNonce()) const {
    const v1::Binding binding = MakeBinding(Profile::kHandshake, Role::kClient, nonce, kServerRpId, {spki_, "", ""});
    return {kEvidenceMediaType, FakeTee()(binding)->SerializeAsString()};
  }
  RawOptions Client(const std::optional<CmwRecord>& kat) {
    RawOptions options = RawClient(WriteHelloRequest({{Profile::kHandshake}, SomeChallenge()}));
    options.key = key_;
    options.leaf_der = *MakeLeaf(key_, kat, clock_.Now(), random_);
    options.extension[SSL_EXT_TLS1_3_CERTIFICATE] = WriteMediaType(kEvidenceMediaType);
    return options;
  }
  void ExpectRefused(RawOptions client, DenyReason reason) {
    ExpectServerRefuses(ChallengingServer(kHandshakeOnly), std::move(client), reason);
  }
};

TEST_F(ClientCertificateTest, TheHonestPeerThatTheAttacksStartFromIsAccepted) {
  StartServer(ChallengingServer(kHandshakeOnly));
  StartRaw(Client(ClientKat()));
  ASSERT_TRUE(Drive([this] { return Settled(server_); }));
  EXPECT_TRUE(server_->open()) << (*server_)->why();
}

TEST_F(ClientCertificateTest, RefusesACertificateWithoutTheExtension) {
  RawOptions options = Client(ClientKat());
  options.extension.erase(SSL_EXT_TLS1_3_CERTIFICATE);
  ExpectRefused(std::move(options), v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT);
}
TEST_F(ClientCertificateTest, RefusesAMalformedExtension) {
  RawOptions options = Client(ClientKat());
  options.extension[SSL_EXT_TLS1_3_CERTIFICATE] = "nonsense";
  ExpectRefused(std::move(options), v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
}
TEST_F(ClientCertificateTest, RefusesAMissingKat) {
  ExpectRefused(Client(std::nullopt), v1::DENY_REASON_ATTESTED_TLS_KAT_MISSING);
}
TEST_F(ClientCertificateTest, RefusesAKatOfAnotherTypeThanAnnounced) {
  RawOptions options = Client(ClientKat());  // which the Verifier would take
  options.extension[SSL_EXT_TLS1_3_CERTIFICATE] = WriteMediaType("application/eat+cwt");
  ExpectRefused(std::move(options), v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED);
}
TEST_F(ClientCertificateTest, RefusesAKatForAStaleNonce) {
  ExpectRefused(Client(ClientKat(std::string(32, 'o'))), v1::DENY_REASON_BINDING_MISMATCH);
}
TEST_F(ClientCertificateTest, RefusesAKatOfTheOtherRole) {
  const v1::Binding server =
      MakeBinding(Profile::kHandshake, Role::kServer, FirstNonce(), kServerRpId, {spki_, "", ""});
  ExpectRefused(Client(CmwRecord{kEvidenceMediaType, FakeTee()(server)->SerializeAsString()}),
                v1::DENY_REASON_BINDING_MISMATCH);
}
TEST_F(ClientCertificateTest, RefusesAKatOfAnotherKey) {
  const std::string other = crypto::PrivateKey::Generate(crypto::KeyType::kP256)->public_key().spki();
  const v1::Binding binding =
      MakeBinding(Profile::kHandshake, Role::kClient, FirstNonce(), kServerRpId, {other, "", ""});
  ExpectRefused(Client(CmwRecord{kEvidenceMediaType, FakeTee()(binding)->SerializeAsString()}),
                v1::DENY_REASON_BINDING_MISMATCH);
}
// The extension stands on every certificate of the list here, and may on the leaf only.
TEST_F(ClientCertificateTest, RefusesTheExtensionOnACertificateThatIsNotTheLeaf) {
  RawOptions options = Client(ClientKat());
  options.further_certificates = {options.leaf_der};
  ExpectRefused(std::move(options), v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID);
}
// A Certificate that no TLS library sends: made by hand, under the keys of the client's handshake.
class MadeCertificateTest : public ClientCertificateTest {
 protected:
  // RFC 8446 section 4.4.2: one entry, with the extension so many times.
  std::string CertificateMessage(const std::optional<CmwRecord>& kat, int extensions) {
    std::string list, entry, body(1, '\0');
    for (int i = 0; i < extensions; ++i) {
      AppendUint(list, kExtensionType, 2);
      AppendVector(list, WriteMediaType(kEvidenceMediaType), 2);
    }
    AppendVector(entry, *MakeLeaf(key_, kat, clock_.Now(), random_), 3);
    AppendVector(entry, list, 2);
    AppendVector(body, entry, 3);
    std::string message(1, SSL3_MT_CERTIFICATE);
    AppendVector(message, body, 3);
    return message;
  }
  // Section 7.1, HKDF-Expand-Label with SHA-256 and no context, at most 32 bytes.
  static std::string ExpandLabel(const std::string& secret, const std::string& label, std::size_t size) {
    std::string info;
    AppendUint(info, size, 2);
    AppendVector(info, "tls13 " + label, 1);
    AppendVector(info, "", 1);
    return crypto::HmacSha256(SecretBytes::CopyOf(secret), info + '\x01').substr(0, size);
  }
  // Section 5.2: the first record under this secret, with TLS_AES_128_GCM_SHA256.
  static std::string Seal(const std::string& secret, const std::string& message) {
    const std::string key = ExpandLabel(secret, "key", 16), iv = ExpandLabel(secret, "iv", 12);
    const std::string plain = message + static_cast<char>(SSL3_RT_HANDSHAKE);
    std::string record("\x17\x03\x03", 3), sealed(plain.size() + 16, '\0');
    AppendUint(record, sealed.size(), 2);
    const auto bytes = [](const std::string& s) { return reinterpret_cast<const unsigned char*>(s.data()); };
    auto* out = reinterpret_cast<unsigned char*>(sealed.data());
    int size = 0;
    EVP_CIPHER_CTX* aead = EVP_CIPHER_CTX_new();
    EXPECT_EQ(EVP_EncryptInit_ex(aead, EVP_aes_128_gcm(), nullptr, bytes(key), bytes(iv)), 1);
    EXPECT_EQ(EVP_EncryptUpdate(aead, nullptr, &size, bytes(record), static_cast<int>(record.size())), 1);
    EXPECT_EQ(EVP_EncryptUpdate(aead, out, &size, bytes(plain), static_cast<int>(plain.size())), 1);
    EXPECT_EQ(EVP_EncryptFinal_ex(aead, out + size, &size), 1);
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_GET_TAG, 16, out + plain.size()), 1);
    EVP_CIPHER_CTX_free(aead);
    return record + sealed;
  }
  // The server has read it when this returns.
  void SendCertificate(Profile profile, const std::string& message) {
    StartServer(ChallengingServer({profile}));
    RawOptions options = Client(std::nullopt);
    options.extension[SSL_EXT_CLIENT_HELLO] = WriteHelloRequest({{profile}, ChallengeIn(profile)});
    options.keeps_certificate = true;
    StartRaw(std::move(options));
    ASSERT_TRUE(Drive([this] { return raw_->done(); }));
    const std::string record = Seal(raw_->client_secret, message);
    ASSERT_EQ(send(pair_.fd(1), record.data(), record.size(), 0), static_cast<ssize_t>(record.size()));
    server_->Advance(clock_.Now());
  }
  static std::optional<Challenge> ChallengeIn(Profile profile) {
    return profile == Profile::kHandshake ? std::optional<Challenge>(SomeChallenge()) : std::nullopt;
  }
};

TEST_F(MadeCertificateTest, TheHonestOneOfHandshakeIsTaken) {
  SendCertificate(Profile::kHandshake, CertificateMessage(ClientKat(), 1));
  EXPECT_THAT((*server_)->why(), IsOk()) << "a CertificateVerify is waited for";
}
TEST_F(MadeCertificateTest, TheHonestOneOfSessionIsTaken) {
  SendCertificate(Profile::kSession, CertificateMessage(std::nullopt, 0));
  EXPECT_THAT((*server_)->why(), IsOk());
}
TEST_F(MadeCertificateTest, RefusesADuplicatedExtension) {
  SendCertificate(Profile::kHandshake, CertificateMessage(ClientKat(), 2));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID));
}
// A server of session asks for a certificate, and for no KAT.
TEST_F(MadeCertificateTest, RefusesAnExtensionThatNobodyAskedFor) {
  SendCertificate(Profile::kSession, CertificateMessage(std::nullopt, 1));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID));
}

}  // namespace
}  // namespace twi::atls
