#include "common/testing/matchers.h"

#include "common/testing/fake_clock.h"
#include "common/testing/fake_random.h"
#include "common/testing/temp_dir.h"

namespace twi::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MatchersTest, TellReasonsApart) {
  const absl::Status expired = Deny(v1::DENY_REASON_GRANT_EXPIRED, "301 s old");
  EXPECT_THAT(expired, StatusIs(v1::DENY_REASON_GRANT_EXPIRED));
  EXPECT_THAT(expired, StatusIs(v1::DENY_REASON_GRANT_EXPIRED, HasSubstr("301")));
  EXPECT_THAT(expired, Not(StatusIs(v1::DENY_REASON_GRANT_EXPIRED, HasSubstr("302"))));
  EXPECT_THAT(expired, Not(StatusIs(v1::DENY_REASON_GRANT_REPLAYED)));
  EXPECT_THAT(expired, Not(IsOk()));
}

TEST(MatchersTest, FailureWithoutReasonIsInternal) {
  EXPECT_THAT(absl::InvalidArgumentError("x"), StatusIs(v1::DENY_REASON_INTERNAL));
}

TEST(MatchersTest, OkIsNoRefusal) {
  EXPECT_OK(absl::OkStatus());
  EXPECT_THAT(absl::OkStatus(), Not(StatusIs(v1::DENY_REASON_INTERNAL)));
}

TEST(MatchersTest, LookIntoStatusOr) {
  ASSERT_OK_AND_ASSIGN(const int value, absl::StatusOr<int>(5));
  EXPECT_EQ(value, 5);
  EXPECT_THAT(absl::StatusOr<int>(5), IsOkAndHolds(5));
  EXPECT_THAT(absl::StatusOr<int>(5), Not(IsOkAndHolds(6)));
  EXPECT_THAT(absl::StatusOr<int>(Deny(v1::DENY_REASON_KEY_UNKNOWN, "")), StatusIs(v1::DENY_REASON_KEY_UNKNOWN));
}

TEST(FakeClockTest, StandsStillUntilMoved) {
  FakeClock clock;
  const absl::Time start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now() - start, absl::Seconds(5));
}

TEST(FakeRandomTest, NeverRepeatsWithinARunAndRepeatsBetweenRuns) {
  FakeRandom a, b;
  const std::string first = a.Bytes(40);
  EXPECT_EQ(first.size(), 40u);
  EXPECT_NE(first, a.Bytes(40));
  EXPECT_EQ(first, b.Bytes(40));
  EXPECT_NE(first, FakeRandom(1).Bytes(40));
}

TEST(TempDirTest, WritesPrivateFiles) {
  TempDir dir;
  EXPECT_LT(dir.path().size(), 24u);
  dir.Write("a", "content");
  EXPECT_EQ(dir.Read("a"), "content");
}

}  // namespace
}  // namespace twi::testing
