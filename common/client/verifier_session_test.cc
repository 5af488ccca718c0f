// The session client, and what attested TLS makes of it, against Verifiers that answer right, wrong and hostile, over
// real HTTPS. (Against our own Verifier: services/verifier/rest_service_test.)
#include "common/client/verifier_session.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/attested_tls/code_points.h"
#include "common/client/session_document.h"
#include "common/client/verifier_sessions.h"
#include "common/http/problem.h"
#include "common/http/server.h"
#include "common/status/deny.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"

namespace twi::client {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;
constexpr auto kUnusable = v1::DENY_REASON_DEPENDENCY_UNAVAILABLE;
constexpr char kVerifier[] = "spiffe://test.example/twi/verifier";
constexpr char kSelf[] = "spiffe://test.example/twi/relying-party";
constexpr char kNonce[] = "AAECAwQFBgcICQoLDA0ODw";  // 16 bytes
constexpr char kNonce32[] = "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8";

std::string Document(const std::string& status, const std::string& more = "", const std::string& nonce = kNonce) {
  return absl::StrCat(R"({"nonce":")", nonce,
                      R"(","expiry":"2026-11-21T12:00:00Z","accept":["a/b"],"state":"x","status":")", status, "\"",
                      more, "}");
}

class VerifierSessionTest : public ::testing::Test {
 protected:
  VerifierSessionTest() : pki_(absl::Now()) {
    created_.status = 201;
    created_.content_type = kSessionMediaType;
    created_.body = Document("waiting");
    created_.headers = {{"Location", "session/one"}};
    complete_.content_type = kSessionMediaType;
    complete_.body = Document("complete", R"(,"result":"a.b.c")");
    discovery_.content_type = kDiscoveryMediaType;
    discovery_.body = Discovery(jose::ToJson(jose::Jwk{"k1", "ES256", "sig", key_.public_key()}));
  }
  static std::string Discovery(const nlohmann::json& key) {
    return nlohmann::json{{"ear-verification-key", key}, {"media-types", {"a/b"}}, {"service-state", "READY"}}.dump();
  }
  std::unique_ptr<VerifierSessionClient> Start() {
    config::v1::Http config;
    config.set_listen("127.0.0.1:0");
    *config.mutable_tls() = pki_.Issue("verifier", kVerifier);
    for (const char* route : {"New", "Submit", "End", "Discovery"}) {
      config::v1::Allow* allow = config.add_allow();
      allow->set_rpc(route);
      allow->add_peers(kSelf);
    }
    const auto answer = [this](const http::Response& with) {
      return [this, &with](const http::Request& request) {
        seen_ = request;
        return with;
      };
    };
    std::vector<http::Route> routes = {
        {"New", "POST", kNewSessionPath, 0, answer(created_)},
        {"Submit", "POST", "/challenge-response/v1/session/{id}", 4096, answer(complete_)},
        {"End", "DELETE", "/challenge-response/v1/session/{id}", 0, answer(ended_)},
        {"Discovery", "GET", kDiscoveryPath, 0, answer(discovery_)}};
    auto server = http::Server::Start(config, clock_, std::move(routes), {});
    EXPECT_OK(server);
    server_ = *std::move(server);
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", server_->port()));
    peer.set_spiffe_id(kVerifier);
    auto client = MakeVerifierSessionClient(peer, pki_.Issue("self", kSelf), clock_);
    EXPECT_OK(client);
    return *std::move(client);
  }
  static absl::Time Soon() { return absl::Now() + absl::Seconds(10); }

  testing::TestPki pki_;
  SystemClock clock_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  http::Response created_, complete_, discovery_, ended_{204};
  http::Request seen_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(VerifierSessionTest, OpensSubmitsAndEnds) {
  const auto client = Start();
  ASSERT_OK_AND_ASSIGN(const VerifierSession session, client->NewSession(16, Soon()));
  EXPECT_EQ(seen_.query.at("nonceSize"), "16");
  EXPECT_EQ(seen_.Header("accept"), kSessionMediaType);
  EXPECT_EQ(seen_.headers.count("content-type"), 0u) << "no body, no type";
  EXPECT_EQ(session.path, "/challenge-response/v1/session/one");
  EXPECT_EQ(session.nonce, std::string("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16));
  EXPECT_EQ(session.media_types, std::vector<std::string>{"a/b"});
  EXPECT_THAT(client->Submit(session, "a/b", "evidence", Soon()), IsOkAndHolds("a.b.c"));
  EXPECT_EQ(seen_.body, "evidence");
  EXPECT_EQ(seen_.Header("content-type"), "a/b");
  v1::Binding binding;
  binding.set_target("twi-atls-v1:session:server");
  EXPECT_THAT(client->SubmitBound(session, "a/b", "evidence", binding, Soon()), IsOkAndHolds("a.b.c"));
  v1::BoundEvidence bound;
  ASSERT_TRUE(bound.ParseFromString(seen_.body));
  EXPECT_EQ(bound.media_type(), "a/b");
  EXPECT_EQ(bound.binding().target(), binding.target());
  EXPECT_EQ(seen_.Header("content-type"), kBoundEvidenceMediaType);
  EXPECT_OK(client->End(session, Soon()));
}

TEST_F(VerifierSessionTest, OpensForANonceOfItsOwnAndRefusesAnother) {
  const auto client = Start();
  EXPECT_OK(client->NewSessionFor(std::string("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16), Soon()));
  EXPECT_EQ(seen_.query.at("nonce"), kNonce);
  EXPECT_THAT(client->NewSessionFor(std::string(16, 'x'), Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesANonceOfAnotherSize) {
  EXPECT_THAT(Start()->NewSession(32, Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesAnAnswerThatCreatesNoSession) {
  created_.status = 200;
  EXPECT_THAT(Start()->NewSession(16, Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesARedirect) {
  created_.status = 307;
  created_.headers = {{"Location", "https://elsewhere.example/challenge-response/v1/newSession"}};
  EXPECT_THAT(Start()->NewSession(16, Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesASessionElsewhere) {
  created_.headers = {{"Location", "https://elsewhere.example/session/one"}};
  EXPECT_THAT(Start()->NewSession(16, Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesAnotherMediaType) {
  created_.content_type = "application/json";
  EXPECT_THAT(Start()->NewSession(16, Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, GivesTheVerifiersRefusalsUnderTheirNames) {
  complete_ = http::Refusal(Deny(v1::DENY_REASON_MEASUREMENT_UNKNOWN, "detail"));
  const auto client = Start();
  ASSERT_OK_AND_ASSIGN(const VerifierSession session, client->NewSession(16, Soon()));
  EXPECT_THAT(client->Submit(session, "a/b", "evidence", Soon()), StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
}

TEST_F(VerifierSessionTest, RefusesASessionThatIsNotComplete) {
  for (const char* status : {"waiting", "processing", "splendid"}) {
    complete_.body = Document(status, R"(,"result":"a.b.c")");
    const auto client = Start();
    ASSERT_OK_AND_ASSIGN(const VerifierSession session, client->NewSession(16, Soon()));
    EXPECT_THAT(client->Submit(session, "a/b", "evidence", Soon()), StatusIs(kUnusable)) << status;
  }
}

TEST_F(VerifierSessionTest, RefusesAnAnswerThatIsToComeLater) {
  complete_.status = 202;
  complete_.body = Document("processing");
  const auto client = Start();
  ASSERT_OK_AND_ASSIGN(const VerifierSession session, client->NewSession(16, Soon()));
  EXPECT_THAT(client->Submit(session, "a/b", "evidence", Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesAFailedSessionAsAVerdict) {
  complete_.body = Document("failed");
  const auto client = Start();
  ASSERT_OK_AND_ASSIGN(const VerifierSession session, client->NewSession(16, Soon()));
  EXPECT_THAT(client->Submit(session, "a/b", "evidence", Soon()), StatusIs(v1::DENY_REASON_APPRAISAL_POLICY_REFUSED));
}

TEST_F(VerifierSessionTest, RefusesASessionThatChangesItsNonce) {
  complete_.body = Document("complete", R"(,"result":"a.b.c")", "BBECAwQFBgcICQoLDA0ODw");
  const auto client = Start();
  ASSERT_OK_AND_ASSIGN(const VerifierSession session, client->NewSession(16, Soon()));
  EXPECT_THAT(client->Submit(session, "a/b", "evidence", Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, GivesTheKeyThatSignsResults) {
  const auto client = Start();
  ASSERT_OK_AND_ASSIGN(const jose::JwkSet keys, client->ResultsKeys(Soon()));
  ASSERT_EQ(keys.keys.size(), 1);
  EXPECT_EQ(keys.keys[0].kid, "k1");
  EXPECT_EQ(keys.keys[0].key.spki(), key_.public_key().spki());
  EXPECT_EQ(seen_.Header("accept"), kDiscoveryMediaType);
}

TEST_F(VerifierSessionTest, RefusesADiscoveryDocumentOfAnotherMediaType) {
  discovery_.content_type = "application/json";
  EXPECT_THAT(Start()->ResultsKeys(Soon()), StatusIs(kUnusable));
}

TEST_F(VerifierSessionTest, RefusesADiscoveryDocumentWithoutAUsableKey) {
  nlohmann::json nameless = jose::ToJson(jose::Jwk{"", "ES256", "sig", key_.public_key()});
  nlohmann::json with_secret = jose::ToJson(jose::Jwk{"k1", "ES256", "sig", key_.public_key()});
  with_secret["d"] = "AAAA";
  for (const std::string& text :
       {Discovery(nameless), Discovery(with_secret), Discovery(nlohmann::json::object()), Discovery("text"),
        std::string("{}"), std::string("[]"), std::string(), std::string(70'000, ' ')})
    EXPECT_THAT(ParseDiscovery(text), StatusIs(kUnusable)) << text.substr(0, 200);
}

// --- as attested TLS uses it ---

TEST_F(VerifierSessionTest, AttestedTlsSubmitsBoundEvidenceToTheSession) {
  created_.body = absl::StrReplaceAll(
      Document("waiting", "", kNonce32),
      {{"\"a/b\"", absl::StrCat("\"", atls::kEvidenceMediaType, "\",\"x/y\",\"", kBoundEvidenceMediaType, "\"")}});
  complete_.body = Document("complete", R"(,"result":"a.b.c")", kNonce32);
  const auto client = Start();
  const auto sessions = MakeVerifierSessions(*client, clock_);
  ASSERT_OK_AND_ASSIGN(const atls::VerifierSession session, sessions->NewSession(Soon()));
  EXPECT_EQ(session.nonce.size(), 32);
  EXPECT_EQ(session.media_types, std::vector<std::string>{atls::kEvidenceMediaType});
  v1::Binding binding;
  binding.set_nonce(session.nonce);
  EXPECT_THAT(sessions->Submit(session, atls::kEvidenceMediaType, "evidence", binding, Soon()), IsOkAndHolds("a.b.c"));
  EXPECT_EQ(seen_.Header("content-type"), kBoundEvidenceMediaType);
  sessions->End(session);
  EXPECT_EQ(seen_.path_parameters.at("id"), "one");
  EXPECT_TRUE(seen_.body.empty());
}

TEST_F(VerifierSessionTest, AttestedTlsRefusesAVerifierThatTakesNoBoundEvidenceAndLeavesNoSession) {
  created_.body = Document("waiting", "", kNonce32);
  const auto client = Start();
  EXPECT_THAT(MakeVerifierSessions(*client, clock_)->NewSession(Soon()), StatusIs(kUnusable));
  EXPECT_EQ(seen_.path_parameters.at("id"), "one") << "the session was ended";
}

TEST(SessionDocumentTest, TakesBothEncodingsOfTheNonce) {
  ASSERT_OK_AND_ASSIGN(const SessionDocument padded, ParseSessionDocument(Document("waiting", "", "+/+/+/+/+/8=")));
  ASSERT_OK_AND_ASSIGN(const SessionDocument raw, ParseSessionDocument(Document("waiting", "", "-_-_-_-_-_8")));
  EXPECT_EQ(padded.nonce, raw.nonce);
}

TEST(SessionDocumentTest, RefusesWhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), Document("waiting", "", "AA"),
        Document("waiting", "", "%%"), Document("waiting", R"(,"status":"waiting")"), Document("complete"),
        Document("complete", R"(,"result":1)"),
        std::string(R"({"nonce":"AAECAwQFBgcICQoLDA0ODw","expiry":"soon","accept":["a/b"],"status":"waiting"})"),
        std::string(
            R"({"nonce":"AAECAwQFBgcICQoLDA0ODw","expiry":"infinite-future","accept":["a/b"],"status":"waiting"})"),
        std::string(
            R"({"nonce":"AAECAwQFBgcICQoLDA0ODw","expiry":"infinite-past","accept":["a/b"],"status":"waiting"})"),
        std::string(
            R"({"nonce":"AAECAwQFBgcICQoLDA0ODw","expiry":"2026-11-21T12:00:00Z","accept":[],"status":"waiting"})"),
        std::string(
            R"({"nonce":"AAECAwQFBgcICQoLDA0ODw","expiry":"2026-11-21T12:00:00Z","accept":["ab"],"status":"waiting"})"),
        std::string(
            R"({"nonce":"AAECAwQFBgcICQoLDA0ODw","expiry":"2026-11-21T12:00:00Z","accept":[1],"status":"waiting"})"),
        std::string(R"({"nonce":7,"expiry":"2026-11-21T12:00:00Z","accept":["a/b"],"status":"waiting"})")})
    EXPECT_THAT(ParseSessionDocument(text), StatusIs(kUnusable)) << text;
}

TEST(LocationTest, Resolves) {
  for (const char* location :
       {"session/1", "/challenge-response/v1/session/1", "https://verifier:1/challenge-response/v1/session/1"})
    EXPECT_THAT(ResolveLocation(location, kNewSessionPath, "verifier:1"),
                IsOkAndHolds("/challenge-response/v1/session/1"));
}

TEST(LocationTest, RefusesWhatLeadsElsewhere) {
  for (const std::string location : {"", "//elsewhere/1", "http://verifier:1/a", "https://verifier:10/a",
                                     "https://verifier:1", "https://verifier:1@x/a", "../a", "a/../b", "a/./b", "a//b",
                                     "/a?b", "/a#b", "/a%2e%2e/b", "/a\\b", "/a b", "/a\r\nX: y", "/"})
    EXPECT_THAT(ResolveLocation(location, kNewSessionPath, "verifier:1"), StatusIs(kUnusable)) << location;
  EXPECT_THAT(ResolveLocation("/" + std::string(600, 'a'), kNewSessionPath, "verifier:1"), StatusIs(kUnusable));
}

}  // namespace
}  // namespace twi::client
