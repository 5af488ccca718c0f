// Query, routes, problem documents: plain functions.
#include "common/http/media_type.h"
#include "common/http/problem.h"
#include "common/http/query.h"
#include "common/http/router.h"
#include "common/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOkAndHolds;
using ::testing::Pair;
using testing::StatusIs;

TEST(QueryTest, Decodes) {
  EXPECT_THAT(ParseQuery(""), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ParseQuery("a"), IsOkAndHolds(ElementsAre(Pair("a", ""))));
  EXPECT_THAT(ParseQuery("a=1&b=%2f%41+=%20"), IsOkAndHolds(ElementsAre(Pair("a", "1"), Pair("b", "/A+= "))));
}

TEST(QueryTest, RefusesWhatIsNoQuery) {
  for (const char* text : {"&", "a&", "=1", "a=%", "a=%4", "a=%4g", "a=%00", "a=%0a", "a= ", "a=\"", "a=<", "a=1&a=2",
                           "a=1&%61=2", "a=\x80"})
    EXPECT_THAT(ParseQuery(text), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED)) << text;
}

TEST(QueryTest, RefusesTooManyParameters) {
  std::string text = "p=1";
  for (std::size_t i = 1; i < kMaxQueryParameters; ++i) text += "&p" + std::to_string(i);
  EXPECT_OK(ParseQuery(text));
  EXPECT_THAT(ParseQuery(text + "&more"), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST(MediaTypeTest, Parses) {
  ASSERT_OK_AND_ASSIGN(const MediaType type, ParseMediaType("Application/EAT+cwt; Eat_Profile=\"tag:x,2023:#1\" ;a=b"));
  EXPECT_EQ(type.name, "application/eat+cwt");
  EXPECT_THAT(type.parameters, ElementsAre(Pair("a", "b"), Pair("eat_profile", "tag:x,2023:#1")));
  ASSERT_OK_AND_ASSIGN(const MediaType same, ParseMediaType("application/eat+cwt;a=b;eat_profile=\"tag:x,2023:#\\1\""));
  EXPECT_EQ(type, same);
}

TEST(MediaTypeTest, RefusesWhatIsNone) {
  for (const std::string text : {"", "text", "text/", "/x", "text/x;", "text/x;a", "text/x;a=", "text/x;a=\"", "*/*",
                                 "text/x y", "text/x, text/y", "text/x;a=1;a=2", "text/x;a=\"\x01\"", "te\xffxt/x"})
    EXPECT_THAT(ParseMediaType(text), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED)) << text;
  EXPECT_THAT(ParseMediaType("text/" + std::string(251, 'x')), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST(AcceptTest, TheMostSpecificRangeDecides) {
  for (const char* accept : {"", " ", "*/*", "text/x", "application/json, text/x;q=0.1", "text/*;q=0, text/x",
                             "*/*;q=0,text/*;q=0.001", "text/x;level=1"})
    EXPECT_THAT(Accepts(accept, "text/x"), IsOkAndHolds(true)) << accept;
  for (const char* accept : {"text/y", "application/*", "text/x;q=0", "text/x;q=0.000, */*"})
    EXPECT_THAT(Accepts(accept, "text/x"), IsOkAndHolds(false)) << accept;
}

TEST(AcceptTest, RefusesWhatIsNoList) {
  for (const char* accept : {",", "text/x,", "text", "text/x text/y", "text/x;q=", "text/x;q=2", "text/x;q=.5",
                             "text/x;q=0.12345", "text/x;q=0.a"})
    EXPECT_THAT(Accepts(accept, "text/x"), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED)) << accept;
  std::string many = "a/b";
  for (int i = 0; i < 16; ++i) many += ",a/b";
  EXPECT_THAT(Accepts(many, "a/b"), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST(RouterTest, RefusesParametersThatAreNone) {
  const std::vector<Route> routes = {{"Item", "GET", "/items/{id}", 0, nullptr}};
  EXPECT_OK(FindRoute(routes, "GET", "/items/A.b_c~d-1"));
  for (const std::string path : {"/items/", "/items/a:b", "/items/%41", "/items/a/", "/items", "items/a"})
    EXPECT_THAT(FindRoute(routes, "GET", path).status(), StatusIs(v1::DENY_REASON_RESOURCE_UNKNOWN)) << path;
  EXPECT_THAT(FindRoute(routes, "GET", "/items/" + std::string(129, 'a')).status(),
              StatusIs(v1::DENY_REASON_RESOURCE_UNKNOWN));
  EXPECT_THAT(FindRoute(routes, "get", "/items/a").status(), StatusIs(v1::DENY_REASON_METHOD_NOT_ALLOWED));
}

// What the server says is what the client understands, for every reason but the one that says nothing.
TEST(ProblemTest, EveryReasonArrivesUnderItsName) {
  for (int number = 0; number < v1::DenyReason_ARRAYSIZE; ++number) {
    if (!v1::DenyReason_IsValid(number) || number <= v1::DENY_REASON_INTERNAL) continue;
    const auto reason = static_cast<DenyReason>(number);
    const Response response = Refusal(Deny(reason, "detail"));
    EXPECT_GE(response.status, 400) << DenyReasonName(reason);
    EXPECT_EQ(response.body.find("detail"), std::string::npos);
    EXPECT_THAT(FromProblem(response.status, response.content_type, response.body, "call"), StatusIs(reason));
  }
}

TEST(ProblemTest, WhatNamesNoReasonIsAnUnavailableDependency) {
  const Response internal = Refusal(Deny(v1::DENY_REASON_INTERNAL, "x"));
  EXPECT_EQ(internal.status, 500);
  for (const std::string& body :
       {internal.body, std::string(), std::string("{}"), std::string("[]"), std::string(R"({"type":1})"),
        std::string(R"({"type":"about:blank"})"), std::string(R"({"type":"urn:twi:deny-reason:"})"),
        std::string(R"({"type":"urn:twi:deny-reason:UNSPECIFIED"})"),
        std::string(R"({"type":"urn:twi:deny-reason:NO_SUCH"})"), std::string(5000, ' ')}) {
    EXPECT_THAT(FromProblem(500, kProblemMediaType, body, "call"), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  }
  const Response replayed = Refusal(Deny(v1::DENY_REASON_CHALLENGE_REPLAYED, "x"));
  EXPECT_THAT(FromProblem(409, "text/html", replayed.body, "call"), StatusIs(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE));
  EXPECT_THAT(Refusal(absl::OkStatus()).outcome, StatusIs(v1::DENY_REASON_INTERNAL));
}

}  // namespace
}  // namespace twi::http
