#include "services/workload_agent/drain_limit.h"

#include <atomic>
#include <future>

#include "gtest/gtest.h"

namespace twi::agent {
namespace {

TEST(DrainLimitTest, CallsWhenWhatHangsOutlivesIt) {
  std::promise<void> called;
  DrainLimit limit(absl::Milliseconds(10), [&] { called.set_value(); });
  limit.Begin();
  limit.Begin();  // a second call would break the promise
  EXPECT_EQ(called.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(DrainLimitTest, CallsNotWhenAllIsDoneInTimeOrNothingHasBegun) {
  std::atomic<bool> called{false};
  {
    const DrainLimit never_begun(absl::ZeroDuration(), [&] { called = true; });
  }
  {
    DrainLimit in_time(absl::Hours(1), [&] { called = true; });
    in_time.Begin();
  }
  EXPECT_FALSE(called);
}

TEST(DrainLimitDeathTest, EndsTheProcessWithExitCodeOne) {
  EXPECT_EXIT(EndUndrained(absl::Seconds(8)), ::testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace twi::agent
