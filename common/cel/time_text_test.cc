#include "common/cel/time_text.h"

#include "gtest/gtest.h"

namespace twi::cel {
namespace {

TEST(TimestampTextTest, ReadsAndWrites) {
  const auto t = ParseTimestamp("2009-02-14T01:31:30.25+02:00");
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t->seconds, 1234567890);
  EXPECT_EQ(t->nanos, 250000000);
  EXPECT_EQ(FormatTimestamp(t->seconds, t->nanos), "2009-02-13T23:31:30.25Z");
}

class BadTimestampTest : public testing::TestWithParam<const char*> {};
TEST_P(BadTimestampTest, IsRefused) { EXPECT_FALSE(ParseTimestamp(GetParam()).ok()); }
INSTANTIATE_TEST_SUITE_P(Texts, BadTimestampTest,
                         testing::Values("", "2009-02-13", "2009-02-13T23:31:30", "2009-02-30T00:00:00Z",
                                         "2009-13-01T00:00:00Z", "2009-02-13T24:00:00Z", "2009-02-13T23:59:60Z",
                                         "2009-02-13T23:31:30.Z", "2009-02-13T23:31:30.1234567890Z",
                                         "2009-02-13T23:31:30+24:00", "2009-02-13 23:31:30Z", "2009-02-13T23:31:30Zx",
                                         "0001-01-01T00:00:00+00:01", "10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"));

TEST(DurationTextTest, ReadsAndWrites) {
  EXPECT_EQ(*ParseDuration("1h45m47s"), 6347000000000);
  EXPECT_EQ(*ParseDuration("-1.5ms"), -1500000);
  EXPECT_EQ(*ParseDuration("0"), 0);
  EXPECT_EQ(FormatDuration(6347000000000), "6347s");
  EXPECT_EQ(FormatDuration(-1500000), "-0.0015s");
  EXPECT_EQ(FormatDuration(INT64_MIN), "-9223372036.854775808s");
}

class BadDurationTest : public testing::TestWithParam<const char*> {};
TEST_P(BadDurationTest, IsRefused) { EXPECT_FALSE(ParseDuration(GetParam()).ok()); }
INSTANTIATE_TEST_SUITE_P(Texts, BadDurationTest,
                         testing::Values("", "-", "1", "s", "1x", "1.s1", ".s", "1s ", "--1s", "1d", "9223372037s",
                                         "99999999999999999999999h", "9223372036s9223372036s"));

TEST(ZoneTest, ReadsOffsets) {
  EXPECT_TRUE(ParseZone("UTC", false).ok());
  EXPECT_TRUE(ParseZone("-02:30", false).ok());
  EXPECT_TRUE(ParseZone("02:30", false).ok());
}

class BadZoneTest : public testing::TestWithParam<const char*> {};
TEST_P(BadZoneTest, IsRefused) { EXPECT_FALSE(ParseZone(GetParam(), true).ok()); }
INSTANTIATE_TEST_SUITE_P(Texts, BadZoneTest,
                         testing::Values("", "+2:00", "+24:00", "+02:60", "+02:00x", "localtime", "/etc/passwd",
                                         "file:x", "../x", "No/Where"));

TEST(ZoneTest, RefusesNamesWhereNotAllowed) { EXPECT_FALSE(ParseZone("Europe/Paris", false).ok()); }

}  // namespace
}  // namespace twi::cel
