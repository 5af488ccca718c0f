// Two ends, or one end and a raw peer, over a socket pair.
#ifndef TWI_COMMON_ATTESTED_TLS_ATTESTED_TLS_FIXTURE_H_
#define TWI_COMMON_ATTESTED_TLS_ATTESTED_TLS_FIXTURE_H_

#include <memory>
#include <string>

#include "common/attested_tls/leaf.h"
#include "common/attested_tls/testing/fake_tee.h"
#include "common/attested_tls/testing/loopback.h"
#include "common/attested_tls/testing/raw_peer.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"

namespace twi::atls::testing {

using ::twi::testing::IsOk;
using ::twi::testing::StatusIs;

const std::vector<Profile> kSessionOnly = {Profile::kSession};
const std::vector<Profile> kHandshakeOnly = {Profile::kHandshake};
const std::vector<Profile> kBoth = {Profile::kSession, Profile::kHandshake};

class AttestedTlsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Attester> GenuineAttester(const std::string& tag = kTrustedTag) {
    return *MakeAttester(FakeTee(tag), random_);
  }
  Settings Server(std::vector<Profile> profiles) { return ServerSettings(std::move(profiles), GenuineAttester()); }
  Settings Client(std::vector<Profile> profiles) {
    return ClientSettings(std::move(profiles), TrustingParty(verifier_));
  }
  // Mutual: the server challenges as well, and the client has something to show.
  Settings ChallengingServer(std::vector<Profile> profiles) {
    Settings settings = Server(std::move(profiles));
    settings.relying_party = std::make_shared<const RelyingParty>(TrustingParty(verifier_, kServerRpId));
    return settings;
  }
  Settings AttestingClient(std::vector<Profile> profiles) {
    Settings settings = Client(std::move(profiles));
    settings.attester = GenuineAttester();
    return settings;
  }

  void StartServer(Settings settings) {
    server_ = std::make_unique<End>(std::move(settings), pair_.fd(0), clock_, waker_);
  }
  void StartClient(Settings settings) {
    client_ = std::make_unique<End>(std::move(settings), pair_.fd(1), clock_, waker_);
  }
  // The end that is not ours: at pair_.fd(role == kServer ? 0 : 1).
  RawPeer& StartRaw(RawOptions options) {
    const int end = options.role == Role::kServer ? 0 : 1;
    raw_ = std::make_unique<RawPeer>(std::move(options), pair_.fd(end));
    return *raw_;
  }
  // A raw server's key and leaf.
  RawOptions RawServer(const crypto::PrivateKey& key, const std::optional<CmwRecord>& kat = std::nullopt) {
    RawOptions options;
    options.role = Role::kServer;
    options.key = key;
    options.leaf_der = *MakeLeaf(key, kat, clock_.Now(), random_);
    return options;
  }

  // Our client of profile session against a raw server with `key`, until the client's challenge is there.
  void AwaitChallengeOfClient(const crypto::PrivateKey& key, Frame& challenge) {
    AwaitChallengeOf(Client(kSessionOnly), key, challenge);
  }
  void AwaitChallengeOf(Settings client, const crypto::PrivateKey& key, Frame& challenge) {
    StartClient(std::move(client));
    RawOptions options = RawServer(key);
    options.extension[SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS] = WriteHelloProvide({Profile::kSession, ""});
    StartRaw(std::move(options));
    std::optional<Frame> frame;
    ASSERT_TRUE(Drive([&] { return client_->closed() || (frame = raw_->NextFrame()).has_value(); }));
    ASSERT_TRUE(frame.has_value()) << (*client_)->why();
    ASSERT_EQ(frame->type, FrameType::kChallenge);
    challenge = *std::move(frame);
  }

  void Step() {
    if (server_ != nullptr && !server_->open()) server_->Advance(clock_.Now());
    if (client_ != nullptr && !client_->open()) client_->Advance(clock_.Now());
    if (raw_ != nullptr) raw_->Step();
  }
  bool Drive(const std::function<bool()>& done) {
    return DriveUntil(
        waker_, {pair_.fd(0), pair_.fd(1)}, [this] { Step(); }, done);
  }
  static bool Settled(const std::unique_ptr<End>& end) { return end == nullptr || end->open() || end->closed(); }
  // Until both ends are open or closed.
  void DriveToEnd() {
    ASSERT_TRUE(Drive([this] { return Settled(server_) && Settled(client_); }));
  }
  void ExpectOpen() {
    DriveToEnd();
    if (server_ != nullptr) {
      EXPECT_TRUE(server_->open()) << (*server_)->why();
    }
    if (client_ != nullptr) {
      EXPECT_TRUE(client_->open()) << (*client_)->why();
    }
  }
  // Bytes both ways, more than a record.
  void ExpectBytesFlow() {
    const std::string request(40'000, 'q'), answer(50'000, 'a');
    client_->WriteAll(request);
    EXPECT_EQ(server_->ReadAll(request.size()), request);
    server_->WriteAll(answer);
    EXPECT_EQ(client_->ReadAll(answer.size()), answer);
  }

  twi::testing::FakeClock clock_;
  twi::testing::FakeRandom random_;
  std::shared_ptr<FakeVerifier> verifier_ = std::make_shared<FakeVerifier>();
  Waker waker_;
  SocketPair pair_;
  std::unique_ptr<End> server_, client_;
  std::unique_ptr<RawPeer> raw_;
};

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_ATTESTED_TLS_FIXTURE_H_
