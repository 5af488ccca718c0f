// Sessions, nonces, submissions: what stands behind the REST API, as values.
#include <set>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "services/verifier/rest_evidence.h"
#include "services/verifier/rest_service.h"
#include "services/verifier/rest_sessions.h"
#include "services/verifier/testing/snp_builder.h"

namespace twi::verifier {
namespace {

using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

constexpr char kEvidence[] = "application/vnd.twi.evidence+protobuf";

class RestSessionsTest : public ::testing::Test {
 protected:
  RestSessions Make(std::size_t max = 10, std::size_t per_client = 5) {
    return RestSessions({absl::Seconds(100), max, per_client}, random_);
  }
  std::string OpenFor(RestSessions& sessions, const std::string& owner) {
    return OpenFor(sessions, SessionOwner{owner, owner});
  }
  std::string OpenFor(RestSessions& sessions, const SessionOwner& owner) {
    const auto session = sessions.Open(owner, std::string(32, 'n'), "text", now_);
    EXPECT_OK(session);
    return session->id;
  }
  ::twi::testing::FakeRandom random_;
  absl::Time now_ = testing::TestTime();
};

TEST_F(RestSessionsTest, LivesFromOpenToEnd) {
  RestSessions sessions = Make();
  const std::string id = OpenFor(sessions, "a");
  ASSERT_OK_AND_ASSIGN(RestSession session, sessions.Get(id, "a", now_));
  EXPECT_EQ(session.nonce, std::string(32, 'n'));
  EXPECT_EQ(session.nonce_text, "text");
  EXPECT_EQ(session.expiry, now_ + absl::Seconds(100));
  EXPECT_EQ(session.status, RestSession::Status::kWaiting);
  EXPECT_OK(sessions.Begin(id, "a", now_));
  sessions.Finish(id, "results");
  ASSERT_OK_AND_ASSIGN(session, sessions.Get(id, "a", now_));
  EXPECT_EQ(session.status, RestSession::Status::kComplete);
  EXPECT_EQ(session.result, "results");
  EXPECT_OK(sessions.End(id, "a", now_));
  EXPECT_EQ(sessions.size(), 0u);
  sessions.Finish(id, "late");
  EXPECT_THAT(sessions.Get(id, "a", now_), StatusIs(v1::DENY_REASON_SESSION_UNKNOWN));
}

TEST_F(RestSessionsTest, RefusesASecondSubmission) {
  RestSessions sessions = Make();
  const std::string id = OpenFor(sessions, "a");
  EXPECT_OK(sessions.Begin(id, "a", now_));
  EXPECT_THAT(sessions.Begin(id, "a", now_), StatusIs(v1::DENY_REASON_SESSION_USED)) << "while it is processed";
  sessions.Finish(id, "");
  EXPECT_THAT(sessions.Begin(id, "a", now_), StatusIs(v1::DENY_REASON_SESSION_USED)) << "after it failed";
  EXPECT_EQ(sessions.Get(id, "a", now_)->status, RestSession::Status::kFailed);
}

TEST_F(RestSessionsTest, RefusesWhoIsNotTheOwner) {
  RestSessions sessions = Make();
  const std::string id = OpenFor(sessions, "a");
  EXPECT_THAT(sessions.Get(id, "b", now_), StatusIs(v1::DENY_REASON_SESSION_WRONG_PEER));
  EXPECT_THAT(sessions.Begin(id, "b", now_), StatusIs(v1::DENY_REASON_SESSION_WRONG_PEER));
  EXPECT_THAT(sessions.End(id, "b", now_), StatusIs(v1::DENY_REASON_SESSION_WRONG_PEER));
  EXPECT_THAT(sessions.Get("other", "a", now_), StatusIs(v1::DENY_REASON_SESSION_UNKNOWN));
  EXPECT_OK(sessions.Begin(id, "a", now_));
}

TEST_F(RestSessionsTest, RefusesAnExpiredSessionAndForgetsItLater) {
  RestSessions sessions = Make();
  const std::string id = OpenFor(sessions, "a");
  EXPECT_OK(sessions.Get(id, "a", now_ + absl::Seconds(99)));
  EXPECT_THAT(sessions.Begin(id, "a", now_ + absl::Seconds(100)), StatusIs(v1::DENY_REASON_SESSION_EXPIRED));
  now_ += absl::Seconds(150);
  OpenFor(sessions, "a");
  EXPECT_THAT(sessions.Get(id, "a", now_), StatusIs(v1::DENY_REASON_SESSION_EXPIRED));
  now_ += absl::Seconds(60);
  OpenFor(sessions, "a");
  EXPECT_THAT(sessions.Get(id, "a", now_), StatusIs(v1::DENY_REASON_SESSION_UNKNOWN));
  EXPECT_EQ(sessions.size(), 2u);
}

TEST_F(RestSessionsTest, RefusesAFloodOfOneClientWithoutHarmToOthers) {
  RestSessions sessions = Make(10, 5);
  for (int i = 0; i < 5; ++i) OpenFor(sessions, "flooder");
  EXPECT_THAT(sessions.Open({"flooder", "flooder"}, "n", "t", now_), StatusIs(v1::DENY_REASON_OVERLOADED));
  const std::string id = OpenFor(sessions, "other");
  EXPECT_OK(sessions.Get(id, "other", now_));
  now_ += absl::Seconds(100);  // the flooder's own have expired: they make room at once
  OpenFor(sessions, "flooder");
}

// A relying party with thousands of connections within one lifetime: each answer has been given when the next is asked.
TEST_F(RestSessionsTest, WhatIsFinishedTakesNoShareAndMakesRoom) {
  RestSessions sessions = Make(10, 5);
  std::string last;
  for (int i = 0; i < 100; ++i) {
    last = OpenFor(sessions, "busy");
    EXPECT_OK(sessions.Begin(last, "busy", now_));
    sessions.Finish(last, i % 2 == 0 ? "results" : "");
  }
  EXPECT_EQ(sessions.size(), 10u) << "max_sessions bounds what is remembered";
  EXPECT_EQ(sessions.Get(last, "busy", now_)->status, RestSession::Status::kFailed);
  for (int i = 0; i < 5; ++i) OpenFor(sessions, "busy");
  EXPECT_THAT(sessions.Open({"busy", "busy"}, "n", "t", now_), StatusIs(v1::DENY_REASON_OVERLOADED));
  for (int i = 0; i < 5; ++i) OpenFor(sessions, "other");
  EXPECT_EQ(sessions.size(), 10u) << "what nobody has an answer of yet is not forgotten for others";
  EXPECT_THAT(sessions.Open({"third", "third"}, "n", "t", now_), StatusIs(v1::DENY_REASON_OVERLOADED));
}

TEST_F(RestSessionsTest, AFinishedSessionIsEndedOnceLikeAnother) {
  RestSessions sessions = Make(10, 1);
  const std::string id = OpenFor(sessions, "a");
  EXPECT_OK(sessions.Begin(id, "a", now_));
  sessions.Finish(id, "results");
  sessions.Finish(id, "again");
  EXPECT_OK(sessions.End(id, "a", now_));
  OpenFor(sessions, "a");
  EXPECT_THAT(sessions.Open({"a", "a"}, "n", "t", now_), StatusIs(v1::DENY_REASON_OVERLOADED));
}

// Fresh keys cost nothing: whoever makes many of them has one client's share, and each session still is one key's.
TEST_F(RestSessionsTest, RefusesAFloodUnderManyNames) {
  RestSessions sessions = Make(10, 5);
  std::string first;
  for (int i = 0; i < 5; ++i) {
    const std::string id = OpenFor(sessions, SessionOwner{absl::StrCat("key", i), "keys"});
    if (i == 0) first = id;
  }
  EXPECT_THAT(sessions.Open({"key5", "keys"}, "n", "t", now_),
              StatusIs(v1::DENY_REASON_OVERLOADED, HasSubstr("5 of keys")));
  EXPECT_THAT(sessions.Get(first, "key1", now_), StatusIs(v1::DENY_REASON_SESSION_WRONG_PEER));
  OpenFor(sessions, "other");
  EXPECT_OK(sessions.End(first, "key0", now_));
  OpenFor(sessions, SessionOwner{"key5", "keys"});
}

TEST_F(RestSessionsTest, RefusesAFloodOfAllClients) {
  RestSessions sessions = Make(10, 5);
  for (int i = 0; i < 10; ++i) OpenFor(sessions, absl::StrCat("client", i));
  EXPECT_THAT(sessions.Open({"another", "another"}, "n", "t", now_), StatusIs(v1::DENY_REASON_OVERLOADED));
  EXPECT_EQ(sessions.size(), 10u);
}

TEST(NonceTest, TakesWhatTheClientChose) {
  ::twi::testing::FakeRandom random;
  for (const char* text : {"-_-_-_-_-_8", "+/+/+/+/+/8="}) {
    ASSERT_OK_AND_ASSIGN(const RequestedNonce nonce, NonceOf({{"nonce", text}}, random));
    EXPECT_EQ(nonce.text, text) << "shown as it was written: old clients read what they write";
    EXPECT_EQ(nonce.bytes, *FromBase64Url("-_-_-_-_-_8"));
  }
}

TEST(NonceTest, MakesRandomOnesOfTheSizeAsked) {
  ::twi::testing::FakeRandom random;
  std::set<std::string> seen;
  for (const auto& [query, size] : std::vector<std::pair<std::map<std::string, std::string>, std::size_t>>{
           {{}, 32}, {{{"nonceSize", "8"}}, 8}, {{{"nonceSize", "64"}}, 64}, {{{"nonceSize", "64"}}, 64}}) {
    ASSERT_OK_AND_ASSIGN(const RequestedNonce nonce, NonceOf(query, random));
    EXPECT_EQ(nonce.bytes.size(), size);
    EXPECT_EQ(nonce.text, ToBase64Url(nonce.bytes));
    EXPECT_TRUE(seen.insert(nonce.bytes).second);
  }
}

TEST(NonceTest, RefusesWhatAsksForNone) {
  ::twi::testing::FakeRandom random;
  for (const std::map<std::string, std::string>& query :
       std::vector<std::map<std::string, std::string>>{{{"nonceSize", "7"}},
                                                       {{"nonceSize", "65"}},
                                                       {{"nonceSize", "-8"}},
                                                       {{"nonceSize", ""}},
                                                       {{"nonceSize", "x"}},
                                                       {{"nonceSize", "18446744073709551624"}},
                                                       {{"nonce", ""}},
                                                       {{"nonce", "AAAA"}},
                                                       {{"nonce", "%%%%"}},
                                                       {{"nonce", std::string(88, 'A')}},
                                                       {{"nonce", "AAECAwQFBgc"}, {"nonceSize", "8"}},
                                                       {{"size", "8"}}})
    EXPECT_THAT(NonceOf(query, random).status(), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

class SubmissionTest : public ::testing::Test {
 protected:
  SubmissionTest() {
    *evidence_.mutable_sev_snp() = chain_.Evidence(chain_.Report());
    bytes_ = evidence_.SerializeAsString();
  }
  static std::string CmwJson(const std::string& type, const std::string& value) {
    return absl::StrCat("[\"", type, "\",\"", ToBase64Url(value), "\",4]");
  }
  static std::string OldCmwJson(const std::string& type, const std::string& value) {
    return absl::StrCat(R"({"typ":")", type, R"(","val":")", ToBase64Url(value), "\"}");
  }
  std::string Bound(const std::string& type, bool binding = true) const {
    v1::BoundEvidence bound;
    bound.set_media_type(type);
    bound.set_evidence(bytes_);
    if (binding) bound.mutable_binding()->set_target("twi-atls-v1:session:server");
    return bound.SerializeAsString();
  }

  testing::SnpChain chain_;
  v1::Evidence evidence_;
  std::string bytes_;
};

TEST_F(SubmissionTest, ReadsEvidencePlainAndWrapped) {
  for (const auto& [type, body] : std::vector<std::pair<std::string, std::string>>{
           {kEvidence, bytes_},
           {"Application/VND.twi.evidence+protobuf", bytes_},
           {"application/cmw+json", CmwJson(kEvidence, bytes_)},
           {"application/cmw", CmwJson(kEvidence, bytes_)},
           {"application/vnd.veraison.cmw+json", CmwJson(kEvidence, bytes_)},
           {"application/vnd.veraison.cmw", OldCmwJson(kEvidence, bytes_)}}) {
    ASSERT_OK_AND_ASSIGN(const Submission submission, ReadSubmission(type, body));
    EXPECT_EQ(submission.evidence.SerializeAsString(), bytes_) << type;
    EXPECT_EQ(submission.bytes, bytes_);
    EXPECT_FALSE(submission.binding.has_value());
  }
}

TEST_F(SubmissionTest, ReadsATsmReport) {
  const std::string report = chain_.Report();
  const std::string json = absl::StrCat(R"({"provider":"sev_guest\n","outblob":")", ToBase64Url(report), "\"}");
  ASSERT_OK_AND_ASSIGN(const Submission submission, ReadSubmission("application/vnd.veraison.tsm-report+json", json));
  EXPECT_EQ(submission.evidence.sev_snp().report(), report);
  EXPECT_EQ(submission.bytes, json);
}

TEST_F(SubmissionTest, ReadsBoundEvidenceAlsoInACmw) {
  constexpr char kBound[] = "application/vnd.twi.bound-evidence+protobuf";
  for (const auto& [type, body] : std::vector<std::pair<std::string, std::string>>{
           {kBound, Bound(kEvidence)}, {"application/cmw+json", CmwJson(kBound, Bound(kEvidence))}}) {
    ASSERT_OK_AND_ASSIGN(const Submission submission, ReadSubmission(type, body));
    ASSERT_TRUE(submission.binding.has_value());
    EXPECT_EQ(submission.binding->target(), "twi-atls-v1:session:server");
    EXPECT_EQ(submission.bytes, bytes_);
  }
  EXPECT_THAT(ReadSubmission(kBound, Bound(kEvidence, false)).status(), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(ReadSubmission(kBound, Bound(kBound)).status(), StatusIs(v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED));
  EXPECT_THAT(ReadSubmission(kBound, "\xff").status(), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED));
}

TEST_F(SubmissionTest, RefusesOtherMediaTypes) {
  for (const std::string& type :
       {std::string(), std::string("application/json"), absl::StrCat(kEvidence, "; a=b"),
        std::string("application/eat+cwt; eat_profile=\"tag:psacertified.org,2023:psa#tfm\"")})
    EXPECT_THAT(ReadSubmission(type, bytes_).status(), StatusIs(v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED)) << type;
  EXPECT_THAT(ReadSubmission("evidence", bytes_).status(), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  for (const char* inner : {"application/json", "application/cmw+json"})
    EXPECT_THAT(ReadSubmission("application/cmw+json", CmwJson(inner, bytes_)).status(),
                StatusIs(v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED))
        << inner;
}

TEST_F(SubmissionTest, RefusesBodiesThatAreNotWhatTheirTypeSays) {
  for (const char* type : {kEvidence, "application/vnd.veraison.tsm-report+cbor", "application/cmw+cbor",
                           "application/vnd.veraison.tsm-report+json", "application/cmw+json", "application/cmw"})
    EXPECT_THAT(ReadSubmission(type, "\xff{[").status(), StatusIs(v1::DENY_REASON_EVIDENCE_MALFORMED)) << type;
  EXPECT_THAT(
      ReadSubmission("application/vnd.veraison.tsm-report+json", R"({"provider":"tdx_guest","outblob":"AA"})").status(),
      StatusIs(v1::DENY_REASON_EVIDENCE_FORMAT_UNSUPPORTED, HasSubstr("tdx_guest")));
}

TEST_F(SubmissionTest, RefusesWhatIsTooLarge) {
  const std::string large(256 * 1024 + 1, 'a');
  EXPECT_THAT(ReadSubmission(kEvidence, large).status(), StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(ReadSubmission("application/cmw+json", CmwJson(kEvidence, large)).status(),
              StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
  EXPECT_THAT(ReadSubmission("application/cmw", std::string(kMaxSubmission + 1, '[')).status(),
              StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE));
}

}  // namespace
}  // namespace twi::verifier
