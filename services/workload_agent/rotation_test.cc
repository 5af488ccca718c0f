#include "services/workload_agent/rotation.h"

#include "gtest/gtest.h"

namespace twi::agent {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1795262400);
const absl::Time kEnd = kStart + absl::Hours(10);

TEST(NextRenewal, IsAtHalfLifeWithJitterAroundIt) {
  const RenewalSettings settings;
  EXPECT_EQ(NextRenewal(kStart, kStart, kEnd, settings, 0.5), kStart + absl::Hours(5));
  EXPECT_EQ(NextRenewal(kStart, kStart, kEnd, settings, 0), kStart + absl::Hours(4));
  EXPECT_LT(NextRenewal(kStart, kStart, kEnd, settings, 0.999999), kStart + absl::Hours(6));
}

TEST(NextRenewal, PastItsTimeTakesHalfOfWhatIsLeft) {
  const RenewalSettings settings;
  const absl::Time now = kStart + absl::Hours(8);
  EXPECT_EQ(NextRenewal(now, kStart, kEnd, settings, 0.5), now + absl::Hours(1));
}

TEST(NextRenewal, NeverSpins) {
  const RenewalSettings settings;
  EXPECT_EQ(NextRenewal(kEnd, kStart, kEnd, settings, 0.5), kEnd + settings.retry_min);
  EXPECT_EQ(NextRenewal(kEnd + absl::Hours(1), kStart, kEnd, settings, 0), kEnd + absl::Hours(1) + settings.retry_min);
  EXPECT_EQ(NextRenewal(kStart, kStart, kStart, settings, 0), kStart + settings.retry_min);
}

TEST(RetryDelay, DoublesUpToItsMaximumAndIsCutByAtMostHalf) {
  RenewalSettings settings;
  settings.retry_min = absl::Seconds(2);
  settings.retry_max = absl::Seconds(60);
  EXPECT_EQ(RetryDelay(1, settings, 0), absl::Seconds(2));
  EXPECT_EQ(RetryDelay(2, settings, 0), absl::Seconds(4));
  EXPECT_EQ(RetryDelay(3, settings, 0), absl::Seconds(8));
  EXPECT_EQ(RetryDelay(3, settings, 0.5), absl::Seconds(6));
  EXPECT_EQ(RetryDelay(6, settings, 0), absl::Seconds(60));
  EXPECT_EQ(RetryDelay(4000000000u, settings, 0), absl::Seconds(60));
  EXPECT_GT(RetryDelay(100, settings, 0.999999), absl::Seconds(30));
  EXPECT_EQ(RetryDelay(1, settings, 0.9), absl::Seconds(2));  // not below the minimum
}

}  // namespace
}  // namespace twi::agent
