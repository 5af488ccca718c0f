#include "services/workload_agent/expiry_watch.h"

#include "common/status/deny.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "gtest/gtest.h"

namespace twi::agent {
namespace {

using testing::FakeClock;
using testing::StatusIs;

class ExpiryWatchTest : public ::testing::Test, protected Waiter {
 protected:
  // Lets `steps` waits pass; each moves the clock to where it would end.
  void Run(int steps) {
    steps_ = steps;
    watch_.Run();
  }
  void WaitUntil(absl::Time until) override {
    waits_.push_back(until);
    if (until != absl::InfiniteFuture()) clock_.Set(until);
    if (--steps_ == 0) watch_.Stop();
  }
  void Wake() override {}

  FakeClock clock_;
  std::vector<absl::Time> waits_;
  absl::Status outcome_;
  int steps_ = 0, withdrawn_ = 0;
  ExpiryWatch watch_{clock_, *this, [this] {
                       ++withdrawn_;
                       return outcome_;
                     }};
};

TEST_F(ExpiryWatchTest, WithdrawsJustBeforeTheEndAndOnce) {
  const absl::Time end = clock_.Now() + absl::Minutes(1);
  ASSERT_OK(watch_.Install(end, [] { return absl::OkStatus(); }));
  Run(2);
  EXPECT_EQ(withdrawn_, 1);
  EXPECT_EQ(waits_, (std::vector<absl::Time>{end - absl::Seconds(1), absl::InfiniteFuture()}));
}

TEST_F(ExpiryWatchTest, ARenewedCredentialStays) {
  ASSERT_OK(watch_.Install(clock_.Now() + absl::Minutes(1), [] { return absl::OkStatus(); }));
  clock_.Advance(absl::Seconds(59));
  ASSERT_OK(watch_.Install(clock_.Now() + absl::Minutes(1), [] { return absl::OkStatus(); }));
  clock_.Advance(absl::Seconds(30));
  Run(1);
  EXPECT_EQ(withdrawn_, 0);
}

TEST_F(ExpiryWatchTest, AFailedInstallLeavesTheOldEndInForce) {
  ASSERT_OK(watch_.Install(clock_.Now() + absl::Minutes(1), [] { return absl::OkStatus(); }));
  const auto full = [] { return Deny(v1::DENY_REASON_STORAGE_FAILED, "disk full"); };
  EXPECT_THAT(watch_.Install(clock_.Now() + absl::Hours(1), full), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  clock_.Advance(absl::Minutes(1));
  Run(1);
  EXPECT_EQ(withdrawn_, 1);
}

TEST_F(ExpiryWatchTest, WhatAPredecessorLeftExpiredGoesAtOnce) {
  watch_.Found(clock_.Now() - absl::Hours(1));
  Run(1);
  EXPECT_EQ(withdrawn_, 1);
}

TEST_F(ExpiryWatchTest, AFailedWithdrawalIsTriedAgain) {
  outcome_ = Deny(v1::DENY_REASON_STORAGE_FAILED, "read-only");
  watch_.Found(clock_.Now());
  Run(3);
  EXPECT_EQ(withdrawn_, 3);
  EXPECT_EQ(waits_[1] - waits_[0], absl::Seconds(1));
}

TEST_F(ExpiryWatchTest, WithoutACredentialNothingIsWithdrawn) {
  Run(1);
  EXPECT_EQ(withdrawn_, 0);
}

}  // namespace
}  // namespace twi::agent
