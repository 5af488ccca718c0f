// A TEE or TPM that is slow: what nobody waits for any more is not attested, and those who wait are named.
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>

#include "common/attested_tls/attested_tls_fixture.h"

namespace twi::atls {
namespace {

using namespace twi::atls::testing;

// A TEE whose first attestation returns when it is told to.
class SlowTee {
 public:
  MakeEvidence evidence() {
    return [this](const v1::Binding& binding) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        ++calls_;
        go_.wait(lock, [this] { return released_; });
      }
      return FakeTee()(binding);
    };
  }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    released_ = true;
    go_.notify_all();
  }
  int calls() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;  // guards all
  std::condition_variable go_;
  bool released_ = false;
  int calls_ = 0;
};

class SlowAttesterTest : public AttestedTlsTest, public ::testing::WithParamInterface<Profile> {
 protected:
  // Ten connections to servers of one attester with one worker: one job runs, nine are queued.
  void OpenTen() {
    Settings server = ServerSettings({GetParam()}, *MakeAttester(tee_.evidence(), random_));
    server.attester_workers = attesting_;
    Settings client = Client({GetParam()});
    client.verifier_workers = appraising_;
    for (int i = 0; i < 10; ++i) {
      pairs_.push_back(std::make_unique<SocketPair>());
      servers_.push_back(std::make_unique<End>(server, pairs_.back()->fd(0), clock_, waker_));
      clients_.push_back(std::make_unique<End>(client, pairs_.back()->fd(1), clock_, waker_));
    }
    Advance();
    Finish(*appraising_);  // every client has its nonce; from here to the challenge no worker is needed
    do {
      Advance();
    } while (!Idle());
    ASSERT_TRUE(DriveUntil(
        waker_, {}, [] {}, [this] { return tee_.calls() == 1; }));
  }
  // Nothing is left in any socket.
  bool Idle() {
    for (const auto& pair : pairs_) {
      for (const int end : {0, 1}) {
        char byte = 0;
        if (recv(pair->fd(end), &byte, 1, MSG_PEEK) > 0) return false;
      }
    }
    return true;
  }
  void Advance() {
    for (const auto& ends : {&servers_, &clients_}) {
      for (const auto& end : *ends) {
        if (!end->open()) end->Advance(clock_.Now());
      }
    }
  }
  // Returns when everything that was queued before is done with.
  static void Finish(Workers& workers) {
    std::promise<void> done;
    ASSERT_TRUE(workers.Run([&done] { done.set_value(); }));
    done.get_future().wait();
  }

  SlowTee tee_;
  const std::shared_ptr<Workers> attesting_ = std::make_shared<Workers>(1, 64);
  const std::shared_ptr<Workers> appraising_ = std::make_shared<Workers>(1, 64);
  std::vector<std::unique_ptr<SocketPair>> pairs_;
  std::vector<std::unique_ptr<End>> servers_, clients_;
};
INSTANTIATE_TEST_SUITE_P(, SlowAttesterTest, ::testing::Values(Profile::kSession, Profile::kHandshake),
                         [](const auto& info) { return std::string(ProfileName(info.param)); });

TEST_P(SlowAttesterTest, NothingIsAttestedForConnectionsThatAreGone) {
  OpenTen();
  clients_.clear();
  servers_.clear();
  tee_.Release();
  Finish(*attesting_);
  EXPECT_EQ(tee_.calls(), 1) << "the one that had begun";
}

TEST_P(SlowAttesterTest, NothingIsAttestedAfterTheDeadline) {
  OpenTen();
  clock_.Advance(absl::Seconds(10));
  tee_.Release();  // before the connections notice the time
  Finish(*attesting_);
  EXPECT_EQ(tee_.calls(), 1);
  Advance();
  for (const auto& server : servers_) EXPECT_THAT((*server)->why(), StatusIs(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT));
}

// One quote after the other, as a TPM makes them: a wait within handshake_timeout is no refusal.
TEST_P(SlowAttesterTest, ThoseWhoWaitAreServed) {
  OpenTen();
  clock_.Advance(absl::Seconds(8));  // more than appraisal_timeout, which is for the Verifier's answers
  tee_.Release();
  EXPECT_TRUE(DriveUntil(
      waker_, {}, [this] { Advance(); },
      [this] {
        return std::all_of(servers_.begin(), servers_.end(), [](const auto& end) { return end->open(); }) &&
               std::all_of(clients_.begin(), clients_.end(), [](const auto& end) { return end->open(); });
      }));
  EXPECT_EQ(tee_.calls(), 10);
}

}  // namespace
}  // namespace twi::atls
