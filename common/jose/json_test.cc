#include "common/jose/json.h"

#include <string>

#include "common/testing/matchers.h"

namespace twi::jose {
namespace {

using testing::StatusIs;

TEST(ParseJsonTest, TakesEveryKindOfValue) {
  const auto value =
      ParseJson(R"( {"a":[1,-2,3.5,true,false,null,"x\u00e9"],"b":{"c":{}},"n":18446744073709551615} )", 1000);
  ASSERT_OK(value);
  EXPECT_EQ(value->dump(), R"({"a":[1,-2,3.5,true,false,null,"xé"],"b":{"c":{}},"n":18446744073709551615})");
  EXPECT_EQ(*ParseJson("3", 10), 3);
  EXPECT_EQ(*ParseJson("\"s\"", 10, 0), "s");
  EXPECT_EQ(ParseJson("[[],[[]],{\"a\":[{}]}]", 100)->dump(), "[[],[[]],{\"a\":[{}]}]");
}

TEST(ParseJsonTest, RefusesWhatIsNotOneJsonValue) {
  for (const char* bad :
       {"",        " ",       "{",      "}",     "{}{}",   "{} x",    "[1,]",     "{\"a\":1,}", "{a:1}",
        "{'a':1}", "01",      "+1",     "1.",    ".5",     "NaN",     "Infinity", "nul",        "\"a",
        "\"\n\"",  "// c\n1", "/* */1", "1e999", "-1e999", "{\"a\"}", "[1 2]",    "\"\\x\"",    "\"\\ud800\""}) {
    EXPECT_THAT(ParseJson(bad, 1000), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED)) << bad;
  }
  EXPECT_THAT(ParseJson(std::string("{}\0", 3), 10), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
  EXPECT_THAT(ParseJson(std::string("{}\0garbage", 10), 100), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
  EXPECT_THAT(ParseJson("\xef\xbb\xbf{}", 10), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
}

TEST(ParseJsonTest, RefusesInvalidUtf8) {
  for (const char* bad : {"\"\xff\"", "\"\xc3\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\""}) {
    EXPECT_THAT(ParseJson(bad, 1000), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED)) << bad;
  }
}

TEST(ParseJsonTest, RefusesDuplicateMembersAnywhere) {
  for (const char* bad : {R"({"a":1,"a":1})", R"({"a":1,"\u0061":2})", R"([{"b":{"a":1,"c":2,"a":null}}])",
                          R"({"a":{},"a":[]})", R"({"":1,"":2})"}) {
    EXPECT_THAT(ParseJson(bad, 1000), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED, ::testing::HasSubstr("twice")))
        << bad;
  }
  EXPECT_OK(ParseJson(R"([{"a":1},{"a":2}])", 1000));
}

TEST(ParseJsonTest, HoldsDepthAndSize) {
  const auto nested = [](int n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_OK(ParseJson(nested(32), 1000));
  EXPECT_THAT(ParseJson(nested(33), 1000),
              StatusIs(v1::DENY_REASON_ENCODING_MALFORMED, ::testing::HasSubstr("deeper")));
  EXPECT_THAT(ParseJson(std::string(200000, '['), 1 << 20), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
  EXPECT_THAT(ParseJson("{\"a\":[]}", 100, 1), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
  EXPECT_THAT(ParseJson("[]", 100, 0), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
  EXPECT_OK(ParseJson("[1]", 3));
  EXPECT_THAT(ParseJson("[11]", 3), StatusIs(v1::DENY_REASON_ENCODING_MALFORMED));
}

TEST(GetOptionalStringTest, TellsAbsentFromWrongType) {
  const nlohmann::json object = {{"s", "x"}, {"n", 1}, {"null", nullptr}};
  std::string out = "before";
  EXPECT_TRUE(GetOptionalString(object, "absent", &out));
  EXPECT_EQ(out, "before");
  EXPECT_TRUE(GetOptionalString(object, "s", &out));
  EXPECT_EQ(out, "x");
  EXPECT_FALSE(GetOptionalString(object, "n", &out));
  EXPECT_FALSE(GetOptionalString(object, "null", &out));
}

}  // namespace
}  // namespace twi::jose
