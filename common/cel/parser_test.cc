#include "common/cel/parser.h"

#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace twi::cel {
namespace {

TEST(ParserTest, FlattensChains) {
  const auto e = Parse("a && b && c || d");
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->kind, Expr::Kind::kOr);
  ASSERT_EQ(e->children.size(), 2u);
  EXPECT_EQ(e->children[0].kind, Expr::Kind::kAnd);
  EXPECT_EQ(e->children[0].children.size(), 3u);
}

TEST(ParserTest, KnowsWhereNodesAre) {
  const std::string source = "a.b == 1 &&\n  c[ \"x\" ]";
  const auto e = Parse(source);
  ASSERT_TRUE(e.ok());
  const Expr& second = e->children[1];
  EXPECT_EQ(source.substr(second.begin, second.end - second.begin), "c[ \"x\" ]");
}

TEST(ParserTest, AcceptsLongChainsOfAnd) {
  std::string source = "a";
  for (int i = 0; i < 500; ++i) source += " && a";
  EXPECT_TRUE(Parse(source).ok());
}

struct Refusal {
  const char* source;
  const char* error;
};

class ParserRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(ParserRefusalTest, RefusesWithPosition) {
  const auto e = Parse(GetParam().source);
  ASSERT_FALSE(e.ok()) << GetParam().source;
  EXPECT_TRUE(absl::StartsWith(e.status().message(), GetParam().error)) << GetParam().source << ": " << e.status();
}

INSTANTIATE_TEST_SUITE_P(
    Sources, ParserRefusalTest,
    testing::Values(Refusal{"", "1:1: expected an expression"}, Refusal{"1 +", "1:4: expected an expression"},
                    Refusal{"a b", "1:3: unexpected text"}, Refusal{"(a", "1:3: expected ')'"},
                    Refusal{"[1, 2", "1:6: expected ']'"}, Refusal{"{1}", "1:3: expected ':'"},
                    Refusal{"f(1,)", "1:5: expected an argument"}, Refusal{"a.", "1:3: expected a field name"},
                    Refusal{"a.in", "1:3: expected a field name"}, Refusal{"a.`b`(1)", "1:6: unexpected text"},
                    Refusal{"a ? b", "1:6: expected ':'"}, Refusal{"a == b ==", "1:10: expected an expression"},
                    Refusal{"for", "1:1: 'for' is a reserved word"}, Refusal{"in", "1:1: expected"},
                    Refusal{"\n\n  a & b", "3:5: unexpected character"}, Refusal{"a = b", "1:3: unexpected character"},
                    Refusal{"'é' @", "1:5: unexpected character"}, Refusal{"a ? b : ", "1:9: expected"}));

INSTANTIATE_TEST_SUITE_P(
    Literals, ParserRefusalTest,
    testing::Values(Refusal{"'abc", "1:1: unfinished string"}, Refusal{"'a\nb'", "1:1: unfinished string"},
                    Refusal{"'abc\\'", "1:1: unfinished string"}, Refusal{"'''abc''", "1:1: unfinished string"},
                    Refusal{"'abc\\", "1:1: unfinished string"}, Refusal{"'\\q'", "1:1: bad escape"},
                    Refusal{"'\\x4'", "1:1: bad escape"}, Refusal{"'\\400'", "1:1: bad escape"},
                    Refusal{"'\\ud800'", "1:1: bad escape"}, Refusal{"'\\U00110000'", "1:1: bad escape"},
                    Refusal{"b'\\u0041'", "1:1: bad escape"}, Refusal{"rb'a'", "1:3: unexpected text"},
                    Refusal{"9223372036854775808", "1:1: number out of range"},
                    Refusal{"-9223372036854775809", "1:21: number out of range"},
                    Refusal{"18446744073709551616u", "1:22: number out of range"}, Refusal{"0x", "1:3: number"},
                    Refusal{"1e999", "1:6: number out of range"}, Refusal{"12ab", "1:3: malformed number"},
                    Refusal{"1.", "1:3: expected a field name"}, Refusal{"`a`", "1:1: expected an expression"},
                    Refusal{"a.`b$`", "1:3: bad quoted identifier"}, Refusal{"\xff", "1:1: expression is not UTF-8"}));

std::string Repeat(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

TEST(ParserTest, RefusesDeepNesting) {
  EXPECT_TRUE(Parse(Repeat("(", 40) + "1" + Repeat(")", 40)).ok());
  for (const char* open : {"(", "[", "{1:", "!", "-", "f(", "a[", "a?b:", "a.b(", "1+(", "x{y:"}) {
    const auto e = Parse(Repeat(open, 2000));
    ASSERT_FALSE(e.ok()) << open;
    EXPECT_TRUE(absl::StrContains(e.status().message(), "nested too deeply")) << open << e.status();
  }
}

TEST(ParserTest, RefusesTallChains) {
  EXPECT_FALSE(Parse("a" + Repeat(".b", 2000)).ok());
  EXPECT_FALSE(Parse("a" + Repeat("[0]", 2000)).ok());
  EXPECT_FALSE(Parse("1" + Repeat("+1", 2000)).ok());
}

TEST(ParserTest, RefusesTooLongAndTooManyParts) {
  EXPECT_FALSE(Parse(std::string(16 * 1024 + 1, ' ') + "1").ok());
  EXPECT_FALSE(Parse("[" + Repeat("1,", 5000) + "]").ok());
  ParseLimits small;
  small.max_nodes = 2;
  EXPECT_FALSE(Parse("1 + 1", small).ok());
}

}  // namespace
}  // namespace twi::cel
