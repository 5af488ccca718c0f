// One of our ends against a raw peer of profile handshake, whose leaf and KAT the test makes.
#ifndef TWI_COMMON_ATTESTED_TLS_HANDSHAKE_ATTACKS_FIXTURE_H_
#define TWI_COMMON_ATTESTED_TLS_HANDSHAKE_ATTACKS_FIXTURE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls::testing {

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

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_HANDSHAKE_ATTACKS_FIXTURE_H_
