#include "services/workload_agent/agent_loop.h"

#include <future>

#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "services/workload_agent/testing/fake_services.h"

namespace twi::agent {
namespace {

using twi::testing::FakeClock;
using twi::testing::FakeRandom;

// Waits by moving the clock; after `waits` of them it stops the loop.
class FakeWaiter final : public Waiter {
 public:
  explicit FakeWaiter(FakeClock& clock) : clock_(clock) {}
  void WaitUntil(absl::Time until) override {
    waited.push_back(until - clock_.Now());
    clock_.Set(until);
    if (on_wait) on_wait(waited.size());
  }
  void Wake() override {}
  std::vector<absl::Duration> waited;
  std::function<void(std::size_t)> on_wait;

 private:
  FakeClock& clock_;
};

class AgentLoopTest : public ::testing::Test {
 protected:
  AgentLoopTest() {
    renewal_.jitter = 0;
    waiter_.on_wait = [this](std::size_t waits) {
      if (waits == stop_after_) loop_->Stop();
    };
    loop_ = std::make_unique<AgentLoop>(AgentLoopDeps{"B", [this] { return Acquire(); },
                                                      [this](const AcquiredCredential&) {
                                                        ++installs_;
                                                        return install_;
                                                      },
                                                      [this] { ++hooks_; }, renewal_, clock_, random_, waiter_,
                                                      /*metrics=*/nullptr,
                                                      [this] { first_before_hook_.push_back(hooks_); }});
  }
  absl::StatusOr<AcquiredCredential> Acquire() {
    ++attempts_;
    if (attempts_ <= refuse_from_ || (refuse_after_ != 0 && attempts_ > refuse_after_))
      return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "down");
    CredentialFacts facts{testing::kIdentifier, clock_.Now(), clock_.Now() + absl::Hours(1), "42"};
    return AcquiredCredential{key_, v1::WorkloadCredential(), facts};
  }
  void Run(std::size_t waits) {
    stop_after_ = waits;
    loop_->Run();
  }

  FakeClock clock_;
  FakeRandom random_;
  FakeWaiter waiter_{clock_};
  RenewalSettings renewal_;
  crypto::PrivateKey key_ = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  int attempts_ = 0, refuse_from_ = 0, refuse_after_ = 0, installs_ = 0, hooks_ = 0;
  std::vector<int> first_before_hook_;  // for each call of on_first, how many hooks had run
  absl::Status install_;
  std::size_t stop_after_ = 1;
  std::unique_ptr<AgentLoop> loop_;
};

TEST_F(AgentLoopTest, RenewsAtHalfLifeByAttestingAnew) {
  Run(3);
  EXPECT_EQ(attempts_, 3);
  EXPECT_EQ(installs_, 3);
  EXPECT_EQ(hooks_, 3);
  for (const absl::Duration waited : waiter_.waited) EXPECT_EQ(waited, absl::Minutes(30));
  EXPECT_EQ(loop_->GetStatus().acquisitions(), 3u);
  EXPECT_EQ(loop_->GetStatus().workload_identifier(), testing::kIdentifier);
  EXPECT_EQ(loop_->GetStatus().mechanism(), "B");
}

TEST_F(AgentLoopTest, KeepsTryingForTheFirstOneWithBackoff) {
  refuse_from_ = 4;
  Run(4);
  EXPECT_EQ(loop_->GetStatus().failed_attempts(), 4u);
  EXPECT_EQ(loop_->GetStatus().last_refusal(), "DEPENDENCY_UNAVAILABLE");
  EXPECT_EQ(loop_->GetStatus().acquisitions(), 0u);
  EXPECT_TRUE(loop_->GetStatus().workload_identifier().empty());
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_GE(waiter_.waited[i], absl::Seconds(1 << i) / 2);
    EXPECT_LE(waiter_.waited[i], absl::Seconds(1 << i));
  }
}

TEST_F(AgentLoopTest, KeepsTheOldOneWhileRenewalFailsAndSaysSo) {
  refuse_after_ = 1;
  Run(3);
  EXPECT_EQ(installs_, 1);  // nothing was touched by the failures
  const v1::GetAgentStatusResponse status = loop_->GetStatus();
  EXPECT_EQ(status.acquisitions(), 1u);
  EXPECT_EQ(status.failed_attempts(), 2u);
  EXPECT_EQ(status.last_refusal(), "DEPENDENCY_UNAVAILABLE");
  EXPECT_EQ(status.workload_identifier(), testing::kIdentifier);
}

TEST_F(AgentLoopTest, SuccessForgetsTheFailures) {
  refuse_from_ = 2;
  Run(3);
  EXPECT_EQ(loop_->GetStatus().failed_attempts(), 0u);
  EXPECT_TRUE(loop_->GetStatus().last_refusal().empty());
  EXPECT_EQ(waiter_.waited.back(), absl::Minutes(30));
}

TEST_F(AgentLoopTest, AFailedInstallIsAFailedAttemptWithoutHook) {
  install_ = Deny(v1::DENY_REASON_STORAGE_FAILED, "disk full");
  Run(1);
  EXPECT_EQ(loop_->GetStatus().last_refusal(), "STORAGE_FAILED");
  EXPECT_EQ(hooks_, 0);
  EXPECT_EQ(loop_->GetStatus().acquisitions(), 0u);
}

TEST_F(AgentLoopTest, SaysOnceThatThereIsACredentialWhenItIsInstalledAndBeforeItsHook) {
  refuse_from_ = 2;
  Run(2);
  EXPECT_TRUE(first_before_hook_.empty()) << "none yet";
  install_ = Deny(v1::DENY_REASON_STORAGE_FAILED, "disk full");
  EXPECT_FALSE(loop_->AcquireOnce().ok());
  EXPECT_TRUE(first_before_hook_.empty()) << "acquired, but not installed";
  install_ = absl::OkStatus();
  EXPECT_OK(loop_->AcquireOnce());
  EXPECT_OK(loop_->AcquireOnce());
  EXPECT_THAT(first_before_hook_, ::testing::ElementsAre(0));
  EXPECT_EQ(hooks_, 2);
}

TEST_F(AgentLoopTest, StoppedBeforeItRunsDoesNothing) {
  loop_->Stop();
  loop_->Run();
  EXPECT_EQ(attempts_, 0);
}

TEST(SystemWaiter, ReturnsWhenTheTimeHasComeOrWhenWoken) {
  FakeClock clock;
  SystemWaiter waiter(clock);
  waiter.WaitUntil(clock.Now());
  std::future<absl::Time> woken = std::async(std::launch::async, [&] {
    waiter.WaitUntil(absl::InfiniteFuture());
    return clock.Now();
  });
  waiter.Wake();
  EXPECT_EQ(woken.get(), FakeClock().Now()) << "by the wake, before it waits or while it does; no time has passed";
}

}  // namespace
}  // namespace twi::agent
