#include "common/challenge/challenge.h"

#include <string>
#include <thread>
#include <vector>

#include "common/crypto/random.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ChallengeTest : public testing::Test {
 protected:
  DenyReason Redeem(absl::string_view nonce, absl::string_view channel, absl::Time now) {
    return DenyReasonOf(challenges_.Redeem(nonce, channel, now));
  }
  crypto::SystemRandom random_;
  Challenges challenges_{{absl::Minutes(2), 3}, random_};
  const std::string channel_ = std::string(32, 'k');
};

TEST_F(ChallengeTest, IsGoodOnceOnItsChannelInTime) {
  EXPECT_TRUE(
      challenges_.Redeem(challenges_.Issue(channel_, kNow), channel_, kNow + absl::Minutes(2) - absl::Milliseconds(1))
          .ok());
}

TEST_F(ChallengeTest, TwoAreNeverEqual) {
  EXPECT_NE(challenges_.Issue(channel_, kNow), challenges_.Issue(channel_, kNow));
}

TEST_F(ChallengeTest, RefusesMissing) { EXPECT_EQ(Redeem("", channel_, kNow), v1::DENY_REASON_CHALLENGE_MISSING); }

TEST_F(ChallengeTest, RefusesReplay) {
  const std::string nonce = challenges_.Issue(channel_, kNow);
  ASSERT_TRUE(challenges_.Redeem(nonce, channel_, kNow).ok());
  EXPECT_EQ(Redeem(nonce, channel_, kNow), v1::DENY_REASON_CHALLENGE_REPLAYED);
}

TEST_F(ChallengeTest, RefusesExpired) {
  const std::string nonce = challenges_.Issue(channel_, kNow);
  EXPECT_EQ(Redeem(nonce, channel_, kNow + absl::Minutes(2)), v1::DENY_REASON_CHALLENGE_EXPIRED);
}

TEST_F(ChallengeTest, RefusesAnotherChannelAndLeavesTheChallengeGood) {
  const std::string nonce = challenges_.Issue(channel_, kNow);
  EXPECT_EQ(Redeem(nonce, std::string(32, 'x'), kNow), v1::DENY_REASON_CHALLENGE_WRONG_CHANNEL);
  EXPECT_TRUE(challenges_.Redeem(nonce, channel_, kNow).ok());
}

TEST_F(ChallengeTest, RefusesForeign) {
  Challenges other({absl::Minutes(2), 3}, random_);
  EXPECT_EQ(Redeem(other.Issue(channel_, kNow), channel_, kNow), v1::DENY_REASON_CHALLENGE_UNKNOWN);
}

TEST_F(ChallengeTest, RefusesEveryBitFlippedAndEveryLengthChanged) {
  const std::string nonce = challenges_.Issue(channel_, kNow);
  for (std::size_t bit = 0; bit < nonce.size() * 8; ++bit) {
    std::string changed = nonce;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(Redeem(changed, channel_, kNow), v1::DENY_REASON_UNSPECIFIED) << bit;
  }
  EXPECT_EQ(Redeem(nonce.substr(1), channel_, kNow), v1::DENY_REASON_CHALLENGE_UNKNOWN);
  EXPECT_EQ(Redeem(nonce + "x", channel_, kNow), v1::DENY_REASON_CHALLENGE_UNKNOWN);
}

TEST_F(ChallengeTest, RefusesWhenFullAndGoesOnWhenOldOnesExpire) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(challenges_.Redeem(challenges_.Issue(channel_, kNow), channel_, kNow).ok());
  EXPECT_EQ(Redeem(challenges_.Issue(channel_, kNow), channel_, kNow), v1::DENY_REASON_OVERLOADED);
  const absl::Time later = kNow + absl::Minutes(3);
  EXPECT_TRUE(challenges_.Redeem(challenges_.Issue(channel_, later), channel_, later).ok());
}

TEST_F(ChallengeTest, OneOfManyThreadsWins) {
  const std::string nonce = challenges_.Issue(channel_, kNow);
  std::vector<int> won(8, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { won[i] = challenges_.Redeem(nonce, channel_, kNow).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  int total = 0;
  for (int w : won) total += w;
  EXPECT_EQ(total, 1);
}

}  // namespace
}  // namespace twi
