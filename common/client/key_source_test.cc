#include "common/client/key_source.h"

#include <atomic>
#include <thread>
#include <vector>

#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::client {
namespace {

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(seconds_.load()); }
  void Advance(int seconds) { seconds_ += seconds; }

 private:
  std::atomic<int64_t> seconds_{1800000000};
};

class KeySourceTest : public ::testing::Test {
 protected:
  KeySourceTest()
      : key_(crypto::PrivateKey::Generate(crypto::KeyType::kP256)),
        source_([this](absl::Time deadline) { return Fetch(deadline); }, absl::Minutes(5), clock_) {
    kids_ = {"first"};
  }

  absl::StatusOr<jose::JwkSet> Fetch(absl::Time /*deadline*/) {
    ++fetches_;
    if (down_) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "down");
    jose::JwkSet set;
    for (const std::string& kid : kids_) set.keys.push_back({kid, "ES256", "sig", key_->public_key()});
    return set;
  }

  absl::StatusOr<KeySource::Keyset> Keys(absl::string_view kid) {
    return source_.Keys(kid, clock_.Now() + absl::Seconds(5));
  }
  bool Has(absl::string_view kid) {
    const auto keys = Keys(kid);
    return keys.ok() && (*keys)->Find(kid) != nullptr;
  }

  FakeClock clock_;
  absl::StatusOr<crypto::PrivateKey> key_;
  std::vector<std::string> kids_;
  bool down_ = false;
  std::atomic<int> fetches_{0};
  KeySource source_;
};

TEST_F(KeySourceTest, FetchesOnceAndServesFromTheCacheUntilRefresh) {
  EXPECT_TRUE(Has("first"));
  clock_.Advance(299);
  EXPECT_TRUE(Has("first"));
  EXPECT_EQ(fetches_, 1);
  clock_.Advance(2);
  EXPECT_TRUE(Has("first"));
  EXPECT_EQ(fetches_, 2);
}

TEST_F(KeySourceTest, UnknownKidIsAskedForOnceEveryFiveSeconds) {
  EXPECT_TRUE(Has("first"));
  clock_.Advance(10);
  kids_ = {"first", "second"};
  EXPECT_TRUE(Has("second")) << "a rotation is seen at once";
  EXPECT_EQ(fetches_, 2);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Has("invented"));
  EXPECT_EQ(fetches_, 2) << "invented kids do not reach the service";
  clock_.Advance(5);
  EXPECT_FALSE(Has("invented"));
  EXPECT_EQ(fetches_, 3);
}

TEST_F(KeySourceTest, WithdrawnKeyIsGoneAfterRefresh) {
  EXPECT_TRUE(Has("first"));
  kids_ = {"second"};
  clock_.Advance(301);
  EXPECT_FALSE(Has("first"));
}

TEST_F(KeySourceTest, AClockThatIsSetBackMakesNothingFresh) {
  EXPECT_TRUE(Has("first"));
  kids_ = {"second"};
  clock_.Advance(-4);
  EXPECT_TRUE(Has("first")) << "clocks are stepped by a little all the time";
  clock_.Advance(-3000);
  EXPECT_FALSE(Has("first"));
  EXPECT_TRUE(Has("second"));
  EXPECT_EQ(fetches_, 2);
  down_ = true;
  clock_.Advance(-3000);
  EXPECT_EQ(DenyReasonOf(Keys("second").status()), v1::DENY_REASON_DEPENDENCY_UNAVAILABLE);
}

TEST_F(KeySourceTest, OldSetServesWhileTheServiceIsDownButNotBeyondTwiceRefresh) {
  EXPECT_TRUE(Has("first"));
  down_ = true;
  clock_.Advance(400);
  EXPECT_TRUE(Has("first"));
  clock_.Advance(200);
  EXPECT_EQ(DenyReasonOf(Keys("first").status()), v1::DENY_REASON_DEPENDENCY_UNAVAILABLE);
  down_ = false;
  EXPECT_EQ(DenyReasonOf(Keys("first").status()), v1::DENY_REASON_DEPENDENCY_UNAVAILABLE)
      << "not asked again within 5 s";
  clock_.Advance(5);
  EXPECT_TRUE(Has("first"));
}

TEST_F(KeySourceTest, UnknownKidWhileTheServiceIsDownIsUnavailableNotUnknown) {
  EXPECT_TRUE(Has("first"));
  down_ = true;
  clock_.Advance(6);
  EXPECT_EQ(DenyReasonOf(Keys("second").status()), v1::DENY_REASON_DEPENDENCY_UNAVAILABLE);
}

TEST_F(KeySourceTest, EmptySetIsRefused) {
  kids_.clear();
  EXPECT_EQ(DenyReasonOf(Keys("").status()), v1::DENY_REASON_DEPENDENCY_UNAVAILABLE);
}

TEST_F(KeySourceTest, ManyThreadsShareOneFetch) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) good += Has("first") ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
  EXPECT_EQ(fetches_, 1);
}

TEST(UnverifiedKidTest, ReadsTheHeaderAndNothingElse) {
  EXPECT_EQ(UnverifiedKid(ToBase64Url(R"({"alg":"ES256","kid":"k1"})") + ".garbage.garbage"), "k1");
  EXPECT_EQ(UnverifiedKid(""), "");
  EXPECT_EQ(UnverifiedKid("no dot"), "");
  EXPECT_EQ(UnverifiedKid("!!.e30.AA"), "");
  EXPECT_EQ(UnverifiedKid(ToBase64Url("[1]") + ".e30.AA"), "");
  EXPECT_EQ(UnverifiedKid(ToBase64Url(R"({"kid":7})") + ".e30.AA"), "");
  EXPECT_EQ(UnverifiedKid(std::string(5000, 'A') + ".e30.AA"), "");
}

}  // namespace
}  // namespace twi::client
