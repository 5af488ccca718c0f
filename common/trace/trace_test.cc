#include "common/trace/trace.h"

#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace twi::trace {
namespace {

constexpr char kId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00f067aa0ba902b7";

std::string Value(absl::string_view version, absl::string_view id, absl::string_view parent, absl::string_view flags) {
  return absl::StrCat(version, "-", id, "-", parent, "-", flags);
}

// The example of section 3.2.2.3 of the Recommendation.
TEST(TraceparentTest, TakesTheRecommendationsExample) {
  const auto trace = ParseTraceparent(Value("00", kId, kParent, "01"));
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->id_view(), kId);
  EXPECT_TRUE(trace->sampled);
  const auto unsampled = ParseTraceparent(Value("00", kId, kParent, "00"));
  ASSERT_TRUE(unsampled.has_value());
  EXPECT_FALSE(unsampled->sampled);
}

TEST(TraceparentTest, TakesALaterVersionThatGoesOnAfterADash) {
  EXPECT_TRUE(ParseTraceparent(Value("cc", kId, kParent, "01")).has_value());
  EXPECT_TRUE(ParseTraceparent(Value("cc", kId, kParent, "01-more")).has_value());
  EXPECT_FALSE(ParseTraceparent(Value("cc", kId, kParent, "01.more")).has_value());
  EXPECT_FALSE(ParseTraceparent(Value("cc", kId, kParent, "01-" + std::string(300, 'x'))).has_value());
}

TEST(TraceparentTest, RefusesEverythingElse) {
  const std::string good = Value("00", kId, kParent, "01");
  for (const std::string& bad :
       {std::string(), good.substr(0, 54), good + "-", good + "-00", " " + good, good + " ",
        Value("ff", kId, kParent, "01"), Value("0g", kId, kParent, "01"),
        Value("00", std::string(32, '0'), kParent, "01"), Value("00", kId, std::string(16, '0'), "01"),
        Value("00", "4BF92F3577B34DA6A3CE929D0E0E4736", kParent, "01"), Value("00", kId, "00F067AA0BA902B7", "01"),
        Value("00", kId, kParent, "0x"), Value("00", kId, kParent, "0G"), "00_" + good.substr(3),
        good.substr(0, 35) + "_" + good.substr(36), good.substr(0, 52) + "_01", std::string(55, '\0'),
        std::string(1 << 20, '0')}) {
    EXPECT_FALSE(ParseTraceparent(bad).has_value()) << bad.substr(0, 80);
  }
}

// Every byte of a good value matters: put a blank there, and it is none.
TEST(TraceparentTest, NoByteIsOverlooked) {
  const std::string good = Value("00", kId, kParent, "01");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = ' ';
    EXPECT_FALSE(ParseTraceparent(bad).has_value()) << i;
  }
}

TEST(TraceTest, PassesTheIdOnUnderAFreshParent) {
  std::set<std::string> seen;
  const Trace trace = NewTrace();
  for (int i = 0; i < 1000; ++i) {
    const std::string value = ToTraceparent(trace);
    const auto parsed = ParseTraceparent(value);
    ASSERT_TRUE(parsed.has_value()) << value;
    EXPECT_EQ(parsed->id, trace.id);
    EXPECT_TRUE(seen.insert(value).second);
  }
}

TEST(TraceTest, NewTracesDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(std::string(NewTrace().id_view())).second);
}

TEST(TraceTest, ScopesNestAndAreOfOneThread) {
  EXPECT_EQ(Current(), nullptr);
  const Trace outer = NewTrace(), inner = NewTrace();
  {
    const Scope a(outer);
    EXPECT_EQ(Current()->id, outer.id);
    {
      const Scope b(inner);
      EXPECT_EQ(Current()->id, inner.id);
      std::thread([] { EXPECT_EQ(Current(), nullptr); }).join();
    }
    EXPECT_EQ(Current()->id, outer.id);
  }
  EXPECT_EQ(Current(), nullptr);
}

}  // namespace
}  // namespace twi::trace
