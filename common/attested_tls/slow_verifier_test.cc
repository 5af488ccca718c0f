// A Verifier that is slow, silent, refuses or is gone: the handshake ends in bounded time, nothing waits for it that
// does not need it, and late answers find nobody and do no harm.
#include <future>

#include "common/attested_tls/session_attacks_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

class SlowVerifierTest : public AttestedTlsTest, public ::testing::WithParamInterface<Profile> {
 protected:
  std::vector<Profile> Profiles() const { return {GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(, SlowVerifierTest, ::testing::Values(Profile::kSession, Profile::kHandshake),
                         [](const auto& info) { return info.param == Profile::kSession ? "Session" : "Handshake"; });

TEST_P(SlowVerifierTest, ASilentVerifierAtNewSessionEndsTheHandshake) {
  verifier_->Hold();
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  for (int i = 0; i < 50; ++i) Step();
  EXPECT_FALSE(client_->open());
  EXPECT_FALSE(client_->closed());
  EXPECT_EQ((*client_)->deadline(), clock_.Now() + absl::Seconds(10));
  clock_.Advance(absl::Seconds(10));
  DriveToEnd();
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
  EXPECT_FALSE(server_->open());
  verifier_->Release();
}

TEST_P(SlowVerifierTest, AVerifierThatFallsSilentWithinTheAppraisalEndsTheHandshake) {
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  verifier_->fail = [this](absl::string_view call) {
    if (call == "NewSession") verifier_->Hold();
    return absl::OkStatus();
  };
  // NewSession has returned; what is held is Submit.
  ASSERT_TRUE(Drive([this] { return verifier_->sessions() == 1 && verifier_->waiting() == 1; }));
  EXPECT_FALSE(client_->closed());
  clock_.Advance(absl::Seconds(10));
  DriveToEnd();
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
  EXPECT_TRUE(server_->closed());
  EXPECT_FALSE((*server_)->why().ok());
  verifier_->Release();
}

TEST_P(SlowVerifierTest, ASlowVerifierIsWaitedFor) {
  verifier_->Hold();
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  for (int i = 0; i < 50; ++i) Step();
  clock_.Advance(absl::Seconds(3));
  for (int i = 0; i < 50; ++i) Step();
  EXPECT_FALSE(client_->closed());
  verifier_->Release();
  ExpectOpen();
}

// appraisal_timeout is over, handshake_timeout is not.
TEST_P(SlowVerifierTest, AVerifierThatIsLateAtNewSessionIsNamed) {
  verifier_->clock = &clock_;
  verifier_->Hold();
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ASSERT_TRUE(Drive([this] { return verifier_->waiting() == 1; }));
  clock_.Advance(absl::Seconds(5));
  verifier_->Release();
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
}

TEST_P(SlowVerifierTest, AVerifierThatIsLateWithItsResultsIsNamed) {
  verifier_->clock = &clock_;
  verifier_->fail = [this](absl::string_view call) {
    if (call == "NewSession") verifier_->Hold();
    return absl::OkStatus();
  };
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ASSERT_TRUE(Drive([this] { return verifier_->sessions() == 1 && verifier_->waiting() == 1; }));
  clock_.Advance(absl::Seconds(5));
  verifier_->Release();
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_DEADLINE_EXCEEDED));
}

TEST_P(SlowVerifierTest, WhenNoWorkerComesInTimeWeAreOverloaded) {
  Settings settings = Client(Profiles());
  const auto workers = std::make_shared<Workers>(1, 64);
  settings.verifier_workers = workers;
  std::promise<void> gate;
  ASSERT_TRUE(workers->Run([opened = gate.get_future().share()] { opened.wait(); }));
  StartServer(Server(Profiles()));
  StartClient(std::move(settings));
  Step();  // asks for a session
  clock_.Advance(absl::Seconds(5));
  gate.set_value();
  ASSERT_TRUE(Drive([this] { return Settled(client_); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_OVERLOADED));
  EXPECT_EQ(verifier_->sessions(), 0);
}

TEST_P(SlowVerifierTest, ACrashedVerifierIsNamed) {
  verifier_->fail = [](absl::string_view call) {
    return call == "Submit" ? Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "connection reset") : absl::OkStatus();
  };
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  DriveToEnd();
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_TRUE(server_->closed());
}

TEST_P(SlowVerifierTest, AVerifierThatIsGoneIsNamed) {
  verifier_->fail = [](absl::string_view) { return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "refused"); };
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ASSERT_TRUE(Drive([this] { return client_->closed(); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

TEST_P(SlowVerifierTest, ASilentVerifierDelaysNoConnectionThatDoesNotNeedIt) {
  auto silent = std::make_shared<FakeVerifier>();
  silent->Hold();
  std::vector<std::unique_ptr<SocketPair>> pairs;
  std::vector<std::unique_ptr<End>> waiting;
  for (int i = 0; i < 50; ++i) {
    pairs.push_back(std::make_unique<SocketPair>());
    waiting.push_back(
        std::make_unique<End>(ClientSettings(Profiles(), TrustingParty(silent)), pairs.back()->fd(1), clock_, waker_));
    waiting.back()->Advance(clock_.Now());
  }
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ExpectOpen();
  for (const auto& end : waiting) EXPECT_FALSE(end->open());
  silent->Release();
}

TEST_P(SlowVerifierTest, AFullQueueIsNamed) {
  verifier_->Hold();
  Settings settings = Client(Profiles());
  settings.verifier_workers = std::make_shared<Workers>(1, 1);
  std::vector<std::unique_ptr<SocketPair>> pairs;
  std::vector<std::unique_ptr<End>> ends;
  bool overloaded = false;
  for (int i = 0; i < 4; ++i) {
    pairs.push_back(std::make_unique<SocketPair>());
    ends.push_back(std::make_unique<End>(settings, pairs.back()->fd(1), clock_, waker_));
    ends.back()->Advance(clock_.Now());
    overloaded |= DenyReasonOf((**ends.back()).why()) == v1::DENY_REASON_OVERLOADED;
  }
  EXPECT_TRUE(overloaded);
  verifier_->Release();
}

// The answer comes, and nobody is there for it: neither of a connection that was closed nor of an endpoint.
TEST_P(SlowVerifierTest, AConnectionMayGoAwayBeforeItsAnswer) {
  verifier_->Hold();
  Settings settings = Client(Profiles());
  const std::shared_ptr<Workers> workers = settings.verifier_workers;  // as of an agent, outlives its connections
  StartServer(Server(Profiles()));
  StartClient(std::move(settings));
  ASSERT_TRUE(Drive([this] { return verifier_->waiting() == 1; }));
  client_.reset();
  pair_.Close(1);
  verifier_->Release();
  ASSERT_TRUE(DriveUntil(
      waker_, {pair_.fd(0)}, [this] { server_->Advance(clock_.Now()); },
      [this] { return server_->closed() && verifier_->waiting() == 0; }));
  EXPECT_THAT((*server_)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED));
  // The session that came too late is ended, not left to fill our share of them.
  EXPECT_TRUE(DriveUntil(
      waker_, {}, [] {}, [this] { return verifier_->sessions() == 1 && verifier_->open_sessions() == 0; }));
}

// Peers that connect and go away must not use up the sessions that the Verifier gives us.
TEST_P(SlowVerifierTest, ASessionToWhichNothingWasSubmittedIsEnded) {
  Settings settings = Client(Profiles());
  const std::shared_ptr<Workers> workers = settings.verifier_workers;
  StartClient(std::move(settings));
  ASSERT_TRUE(Drive([this] { return verifier_->sessions() == 1; }));
  EXPECT_EQ(verifier_->open_sessions(), 1);
  client_.reset();
  EXPECT_TRUE(Drive([this] { return verifier_->open_sessions() == 0; }));
  EXPECT_EQ(verifier_->submissions(), 0);
}

// Nor those that send Evidence, and go away before anybody has come to submit it.
class UnattendedEvidenceTest : public SessionAttackTest {
 protected:
  // From here on nobody comes to what is queued.
  void OccupyTheWorker() {
    std::promise<void> entered;
    ASSERT_TRUE(workers_->Run([&entered, opened = gate_.get_future().share()] {
      entered.set_value();
      opened.wait();
    }));
    entered.get_future().wait();
  }
  void ExpectSessionEndedWithoutClient() {
    ASSERT_FALSE(client_->closed()) << (*client_)->why();
    client_.reset();
    gate_.set_value();
    EXPECT_TRUE(DriveUntil(
        waker_, {}, [] {}, [this] { return verifier_->open_sessions() == 0; }));
    EXPECT_EQ(verifier_->submissions(), 0);
  }
  const std::shared_ptr<Workers> workers_ = std::make_shared<Workers>(1, 64);
  std::promise<void> gate_;
};

TEST_F(UnattendedEvidenceTest, ItsSessionIsEndedInProfileSession) {
  Settings client = Client(kSessionOnly);
  client.verifier_workers = workers_;
  Frame challenge;
  ASSERT_NO_FATAL_FAILURE(AwaitChallengeOf(std::move(client), key_, challenge));
  ASSERT_OK_AND_ASSIGN(challenge_, ReadChallenge(challenge.body));
  ASSERT_NO_FATAL_FAILURE(OccupyTheWorker());
  raw_->Send(nothing_demanded_ + HonestEvidence());
  client_->Advance(clock_.Now());  // it has the Evidence, and queued it
  ExpectSessionEndedWithoutClient();
}

TEST_F(UnattendedEvidenceTest, ItsSessionIsEndedInProfileHandshake) {
  Settings client = Client(kHandshakeOnly);
  client.verifier_workers = workers_;
  StartClient(std::move(client));
  ASSERT_TRUE(Drive([this] { return verifier_->sessions() == 1 && client_->progress().want_read; }));
  ASSERT_NO_FATAL_FAILURE(OccupyTheWorker());
  StartServer(Server(kHandshakeOnly));
  ASSERT_TRUE(Drive([this] { return !client_->progress().want_read; }));  // as above: the handshake is paused
  ExpectSessionEndedWithoutClient();
}

// And one that had its Evidence is over by that: no further call for it.
TEST_P(SlowVerifierTest, ASessionWithEvidenceIsNotEndedAgain) {
  Settings settings = Client(Profiles());
  const auto workers = std::make_shared<Workers>(1, 64);
  settings.verifier_workers = workers;
  StartServer(Server(Profiles()));
  StartClient(std::move(settings));
  ExpectOpen();
  client_.reset();
  std::promise<void> idle;  // one worker, first come first served: what the connection left behind is done before
  ASSERT_TRUE(workers->Run([&idle] { idle.set_value(); }));
  idle.get_future().wait();
  EXPECT_EQ(verifier_->submissions(), 1);
  EXPECT_EQ(verifier_->ended(), 0);
}

TEST_P(SlowVerifierTest, AVerifierWithoutAUsableNonceIsNotBelieved) {
  verifier_->media_types.clear();
  StartServer(Server(Profiles()));
  StartClient(Client(Profiles()));
  ASSERT_TRUE(Drive([this] { return client_->closed(); }));
  EXPECT_THAT((*client_)->why(), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
}

}  // namespace
}  // namespace twi::atls
