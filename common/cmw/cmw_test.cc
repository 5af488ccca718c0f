#include "common/cmw/cmw.h"

#include "common/testing/matchers.h"

namespace twi {
namespace {

using testing::StatusIs;
constexpr auto kMalformed = v1::DENY_REASON_EVIDENCE_MALFORMED;
constexpr std::size_t kMax = 1000;

TEST(CmwTest, ReadsCborWithAndWithoutIndicator) {
  for (const std::string& bytes : {std::string("\x82\x63"
                                               "a/b\x42xy"),
                                   std::string("\x83\x63"
                                               "a/b\x42xy\x04")}) {
    ASSERT_OK_AND_ASSIGN(const CmwRecord record, ReadCmwCbor(bytes));
    EXPECT_EQ(record.media_type, "a/b");
    EXPECT_EQ(record.value, "xy");
  }
  ASSERT_OK_AND_ASSIGN(const CmwRecord longer, ReadCmwCbor("\x82\x63"
                                                           "a/b\x58\x20" +
                                                           std::string(32, 'v')));
  EXPECT_EQ(longer.value, std::string(32, 'v'));
}

TEST(CmwTest, ReadsJsonWithAndWithoutIndicator) {
  for (const char* text : {R"(["a/b","eHk"])", R"(["a/b","eHk",4])"}) {
    ASSERT_OK_AND_ASSIGN(const CmwRecord record, ReadCmwJson(text, kMax));
    EXPECT_EQ(record.media_type, "a/b");
    EXPECT_EQ(record.value, "xy");
  }
}

TEST(CmwTest, ReadsTheJsonObjectOfOldVeraisonCode) {
  ASSERT_OK_AND_ASSIGN(const CmwRecord record, ReadCmwJson(R"({"typ":"a/b","val":"eHk"})", kMax));
  EXPECT_EQ(record.media_type, "a/b");
  EXPECT_EQ(record.value, "xy");
}

TEST(CmwTest, RefusesCborThatIsNoRecord) {
  const std::string good =
      "\x83\x63"
      "a/b\x42xy\x04";
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(ReadCmwCbor(good.substr(0, size)), StatusIs(kMalformed)) << size;
  EXPECT_THAT(ReadCmwCbor(good + "x"), StatusIs(kMalformed)) << "something behind it";
  for (const std::string& bytes : {std::string("\x81\x63"
                                               "a/b"),
                                   std::string("\x9f\x63"
                                               "a/b\x42xy\xff"),
                                   std::string("\x82\x63"
                                               "a/b\x40"),
                                   std::string("\x82\x60\x42xy"), std::string("\x82\x18\x3c\x42xy"),
                                   std::string("\x82\x63"
                                               "a/b\x62xy"),
                                   std::string("\x83\x63"
                                               "a/b\x42xy\x0c"),
                                   std::string("\x82\x78\x03"
                                               "a/b\x42xy"),
                                   std::string("\x82\x63"
                                               "a/b\x5a\xff\xff\xff\xff"
                                               "xy"),
                                   std::string("\x82\x63"
                                               "a\nb\x42xy"),
                                   std::string("\xda\x63\x74\x01\x01\x82\x63"
                                               "a/b\x42xy")})
    EXPECT_THAT(ReadCmwCbor(bytes), StatusIs(kMalformed));
}

TEST(CmwTest, RefusesJsonThatIsNoRecord) {
  for (const char* text : {"",
                           "{}",
                           "[]",
                           R"(["a/b"])",
                           R"(["a/b","eHk",4,5])",
                           R"([60,"eHk"])",
                           R"(["a/b",7])",
                           R"(["a/b","eHk="])",
                           R"(["a/b","e H k"])",
                           R"(["a/b",""])",
                           R"(["","eHk"])",
                           R"(["a/b","eHk",12])",
                           R"(["a/b","eHk","4"])",
                           R"({"typ":"a/b"})",
                           R"({"typ":"a/b","value":"eHk"})",
                           R"({"typ":"a/b","val":"eHk","ind":4})",
                           R"({"typ":"a/b","val":"eHk="})",
                           R"({"typ":60,"val":"eHk"})",
                           R"({"typ":"a/b","val":{}})",
                           R"({"typ":"a/b","val":"eHk","val":"eHk"})",
                           R"({"typ":"a/b","val":"eHk"}x)",  //
                           R"(["a/b","eHk"]x)",
                           R"({"__cmwc_t":"tag:x,2024:y","a":["a/b","eHk"]})"})
    EXPECT_THAT(ReadCmwJson(text, kMax), StatusIs(kMalformed)) << text;
  EXPECT_THAT(ReadCmwJson(R"(["a/b","eHk"])", 5), StatusIs(kMalformed)) << "too long";
  EXPECT_THAT(ReadCmwJson("[\"a/" + std::string(255, 'b') + "\",\"eHk\"]", kMax), StatusIs(kMalformed));
}

}  // namespace
}  // namespace twi
