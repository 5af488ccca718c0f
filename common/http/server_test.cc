// Who gets in and what is served, through the real door: sockets, TLS, HTTP.
#include "common/http/server.h"

#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/crypto/x509.h"
#include "common/http/served.h"
#include "common/log/log.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::StatusIs;
using testing::TestPki;

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() : pki_(absl::Now()), served_(pki_, absl::Now()), client_(pki_.Make(kClientId, {})) {}

  std::string Ask(const std::string& request) { return AskAs(client_, request); }
  std::string AskAs(const TestPki::Pair& pair, const std::string& request) {
    RawTls tls = served_.Connect(pair);
    return tls.Write(request) ? tls.ReadResponse() : "";
  }
  static std::string Get(const std::string& path) { return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"); }
  static std::string Post(const std::string& path, const std::string& body) {
    return absl::StrCat("POST ", path, " HTTP/1.1\r\nHost: x\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }
  // A refusal is the reason's name, in a problem document, and nothing else.
  static void ExpectProblem(const std::string& response, int status, const std::string& reason) {
    EXPECT_THAT(response, StartsWith(absl::StrCat("HTTP/1.1 ", status, " ")));
    EXPECT_THAT(response, HasSubstr("Content-Type: application/problem+json\r\n"));
    EXPECT_THAT(response, EndsWith(absl::StrCat("\r\n\r\n{\"status\":", status, ",\"title\":\"", reason,
                                                "\",\"type\":\"urn:twi:deny-reason:", reason, "\"}")));
  }

  TestPki pki_;
  Served served_;
  TestPki::Pair client_;
};

TEST_F(HttpServerTest, ServesAPeerOnTheAllowList) {
  ASSERT_OK(served_.Start());
  const std::string response = Ask(Post("/echo", "hello"));
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(response, EndsWith(absl::StrCat("\r\n\r\n", kClientId, ":hello")));
}

TEST_F(HttpServerTest, ServesSeveralRequestsOnAConnection) {
  ASSERT_OK(served_.Start());
  RawTls tls = served_.Connect(client_);
  for (const char* id : {"one", "two", "three"}) {
    ASSERT_TRUE(tls.Write(Get(absl::StrCat("/items/", id))));
    EXPECT_THAT(tls.ReadResponse(), EndsWith(id));
  }
}

TEST_F(HttpServerTest, GivesPathParametersAndTheDecodedQuery) {
  ASSERT_OK(served_.Start());
  EXPECT_THAT(Ask(Get("/items/a-1?b=x%2Fy&a=")), EndsWith("a-1 a= b=x/y"));
}

TEST_F(HttpServerTest, ServesAChunkedBodyAndExpectContinue) {
  ASSERT_OK(served_.Start());
  EXPECT_THAT(
      Ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
      EndsWith(":hello"));
  RawTls tls = served_.Connect(client_);
  ASSERT_TRUE(tls.Write("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_THAT(tls.ReadResponse(), StartsWith("HTTP/1.1 100 "));
  ASSERT_TRUE(tls.Write("hi"));
  EXPECT_THAT(tls.ReadResponse(), EndsWith(":hi"));
}

TEST_F(HttpServerTest, ServesAnAttestedKeyWhereItIsAllowed) {
  ASSERT_OK(served_.Start());
  TestPki::Options options;
  options.uri_sans = std::vector<std::string>{};
  options.self_signed = true;
  const TestPki::Pair pair = pki_.Make("", options);
  EXPECT_THAT(AskAs(pair, Get("/open")),
              EndsWith(absl::StrCat("attested_key:", absl::BytesToHexString(pair.key_sha256))));
  ExpectProblem(AskAs(pair, Get("/items/a")), 403, "PEER_NOT_ALLOWED");
}

TEST_F(HttpServerTest, ServesAnonymousClientsOnlyWhereTheyAreAllowed) {
  served_.config.mutable_allow()->rbegin()->add_peers("anonymous");  // Open
  ASSERT_OK(served_.Start());
  EXPECT_THAT(AskAs({}, Get("/open")), EndsWith("\r\n\r\nanonymous"));
  EXPECT_THAT(Ask(Get("/open")), EndsWith(kClientId));
  ExpectProblem(AskAs({}, Get("/items/a")), 401, "PEER_UNAUTHENTICATED");
}

TEST_F(HttpServerTest, NegotiatesHttp11AndRefusesOtherProtocols) {
  ASSERT_OK(served_.Start());
  for (const auto& [alpn, done] : std::vector<std::pair<std::string, bool>>{{"http/1.1", true}, {"h2", false}}) {
    RawTls::Options options{client_.certificate_pem, client_.key_pem, false, alpn};
    EXPECT_EQ(RawTls(served_.server->port(), options).handshake_done(), done) << alpn;
  }
}

TEST_F(HttpServerTest, RefusesClientsInTheHandshake) {
  ASSERT_OK(served_.Start());
  EXPECT_EQ(AskAs({}, Get("/open")), "") << "no certificate";
  TestPki foreign(absl::Now());
  EXPECT_EQ(AskAs(foreign.Make(kClientId, {}), Get("/items/a")), "") << "another CA";
  TestPki::Options options;
  options.ends = -absl::Minutes(1);
  EXPECT_EQ(AskAs(pki_.Make(kClientId, options), Get("/items/a")), "") << "expired";
  options = {};
  options.uri_sans = std::vector<std::string>{kClientId, "spiffe://test.example/twi/other"};
  EXPECT_EQ(AskAs(pki_.Make(kClientId, options), Get("/items/a")), "") << "two identities";
  options = {};
  options.extended_key_usage = {crypto::kEkuServerAuth};
  EXPECT_EQ(AskAs(pki_.Make(kClientId, options), Get("/items/a")), "") << "a server's certificate";
}

TEST_F(HttpServerTest, RefusesTls12) {
  ASSERT_OK(served_.Start());
  const RawTls::Options options{client_.certificate_pem, client_.key_pem, true, ""};
  EXPECT_FALSE(RawTls(served_.server->port(), options).handshake_done());
}

TEST_F(HttpServerTest, RefusesAPeerThatIsNotOnTheAllowList) {
  ASSERT_OK(served_.Start());
  ExpectProblem(AskAs(pki_.Make("spiffe://test.example/twi/other", {}), Get("/items/a")), 403, "PEER_NOT_ALLOWED");
}

TEST_F(HttpServerTest, RefusesARouteThatNobodyMayCall) {
  served_.config.mutable_allow()->RemoveLast();  // Open
  ASSERT_OK(served_.Start());
  ExpectProblem(Ask(Get("/open")), 403, "PEER_NOT_ALLOWED");
}

TEST_F(HttpServerTest, RefusesUnknownPathsAndMethods) {
  ASSERT_OK(served_.Start());
  for (const char* path :
       {"/", "/item/a", "/items/", "/items/a/b", "/items/a%41", "/items//", "//items/a", "/items/a/"})
    ExpectProblem(Ask(Get(path)), 404, "RESOURCE_UNKNOWN");
  const std::string response = Ask(Post("/items/a", ""));
  ExpectProblem(response, 405, "METHOD_NOT_ALLOWED");
  EXPECT_THAT(response, HasSubstr("Allow: GET\r\n"));
}

TEST_F(HttpServerTest, RefusesTheDetailToThePeer) {
  ASSERT_OK(served_.Start());
  ExpectProblem(Ask(Get("/refuse")), 409, "CHALLENGE_REPLAYED");
  ExpectProblem(Ask(Get("/throw")), 500, "INTERNAL");
}

TEST_F(HttpServerTest, RefusesMalformedRequests) {
  ASSERT_OK(served_.Start());
  for (const char* request : {
           "GET /items/a HTTP/1.1\r\n\r\n",                                  // no Host
           "GET /items/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",            // two
           "GET /items/a HTTP/1.0\r\nHost: x\r\n\r\n",                       // a version without Host
           "GET items HTTP/1.1\r\nHost: x\r\n\r\n",                          // no path
           "GET https://x/items/a HTTP/1.1\r\nHost: x\r\n\r\n",              // absolute form: we are no proxy
           "GET /items/a#b HTTP/1.1\r\nHost: x\r\n\r\n",                     // a fragment
           "GET /items/a?b=%4 HTTP/1.1\r\nHost: x\r\n\r\n",                  // half an escape
           "GET /items/a?b=1&b=2 HTTP/1.1\r\nHost: x\r\n\r\n",               // a parameter twice
           "GET /items/a HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n",  //
           "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",  // two framings
           "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\n0",
           "POST /echo HTTP/1.1\r\nHost: x\r\nExpect:\r\nContent-Length: 1\r\n\r\n0",
           "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",  // no chunk size
           "\x16\x03\x01 what is this\r\n\r\n",
       }) {
    ExpectProblem(Ask(request), 400, "REQUEST_MALFORMED");
  }
  ExpectProblem(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na"), 415,
                "MEDIA_TYPE_UNSUPPORTED");
}

TEST_F(HttpServerTest, ServesTheNewCertificateAfterAReload) {
  ASSERT_OK(served_.Start());
  const std::string before = served_.Connect(client_).server_certificate_sha256();
  pki_.Issue("rest", kServerId);
  ASSERT_OK_AND_ASSIGN(const auto chain, crypto::ParseCertificates(pki_.dir().Read("rest.crt")));
  const std::string issued = absl::BytesToHexString(chain.front().sha256());
  ASSERT_NE(before, issued);
  std::string served;
  for (const absl::Time end = absl::Now() + absl::Seconds(30); served != issued && absl::Now() < end;)
    served = served_.Connect(client_).server_certificate_sha256();
  EXPECT_EQ(served, issued);
}

// --- traces (W3C Trace Context) ---

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string GetTraced(const std::string& path, const std::string& headers) {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n", headers, "\r\n");
}

TEST_F(HttpServerTest, HandlesARequestInItsClientsTrace) {
  ASSERT_OK(served_.Start());
  EXPECT_THAT(Ask(GetTraced("/trace", absl::StrCat("Traceparent: ", kTraceparent, "\r\n"))), EndsWith(kTraceId));
}

TEST_F(HttpServerTest, OpensANewTraceWhereTheClientNamesNone) {
  ASSERT_OK(served_.Start());
  std::set<std::string> seen = {kTraceId};
  for (const std::string& headers :
       {std::string(), std::string("traceparent: 00-00\r\n"),
        absl::StrCat("traceparent: ", kTraceparent, "\r\ntraceparent: ", kTraceparent, "\r\n")}) {
    const std::string response = Ask(GetTraced("/trace", headers));
    const std::string id = response.substr(response.find("\r\n\r\n") + 4);
    EXPECT_EQ(id.size(), 32u) << headers;
    EXPECT_TRUE(seen.insert(id).second) << headers;
  }
}

TEST_F(HttpServerTest, AuditLinesCarryTheTrace) {
  ASSERT_OK(served_.Start());
  const testing::TempDir dir;
  config::v1::Log to_file;
  to_file.set_file(dir.File("log"));
  ASSERT_OK(log::Init(to_file, "test"));
  for (const char* path : {"/trace", "/refuse", "/nothing"})
    Ask(GetTraced(path, absl::StrCat("traceparent: ", kTraceparent, "\r\n")));
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  std::multiset<std::string> events;
  for (const absl::string_view line : absl::StrSplit(dir.Read("log"), '\n')) {
    if (!absl::StrContains(line, absl::StrCat("\"trace_id\":\"", kTraceId, "\""))) continue;
    events.insert(absl::StrContains(line, "\"event\":\"served\"") ? "served" : "refused");
  }
  EXPECT_EQ(events, (std::multiset<std::string>{"refused", "refused", "served"}));
}

struct BadConfig {
  const char* name;
  void (*spoil)(config::v1::Http&);
  const char* field;
};
class HttpConfigTest : public ::testing::TestWithParam<BadConfig> {};

TEST_P(HttpConfigTest, RefusesBadConfig) {
  TestPki pki(absl::Now());
  Served served(pki, absl::Now());
  GetParam().spoil(served.config);
  EXPECT_THAT(served.Start(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr(GetParam().field)));
}

INSTANTIATE_TEST_SUITE_P(
    All, HttpConfigTest,
    ::testing::Values(
        BadConfig{"NoListen", [](auto& c) { c.clear_listen(); }, "rest.listen"},
        BadConfig{"HostName", [](auto& c) { c.set_listen("localhost:0"); }, "rest.listen"},
        BadConfig{"UnixSocket", [](auto& c) { c.set_listen("unix:/tmp/x"); }, "rest.listen"},
        BadConfig{"ForeignAddress", [](auto& c) { c.set_listen("192.0.2.1:0"); }, "rest.listen"},
        BadConfig{"NoTls", [](auto& c) { c.clear_tls(); }, "rest.tls"},
        BadConfig{"NoKey", [](auto& c) { c.mutable_tls()->set_key_file("/nonexistent"); }, "/nonexistent"},
        BadConfig{"NobodyAllowed", [](auto& c) { c.clear_allow(); }, "rest.allow"},
        BadConfig{"UnknownRoute", [](auto& c) { c.mutable_allow(0)->set_rpc("Nothing"); }, "rest.allow[0].rpc"},
        BadConfig{"RouteTwice", [](auto& c) { c.mutable_allow(1)->set_rpc("Echo"); }, "rest.allow[1].rpc"},
        BadConfig{"NoPeers", [](auto& c) { c.mutable_allow(0)->clear_peers(); }, "rest.allow[0].peers"},
        BadConfig{"NoSpiffeId", [](auto& c) { c.mutable_allow(0)->add_peers("everybody"); }, "rest.allow[0].peers"},
        BadConfig{"PeerTwice", [](auto& c) { c.mutable_allow(0)->add_peers(kClientId); }, "rest.allow[0].peers"},
        BadConfig{"TooManyConnections", [](auto& c) { c.set_max_connections(10001); }, "rest.max_connections"},
        BadConfig{"TooManyRequests", [](auto& c) { c.set_max_concurrent_requests(10001); },
                  "rest.max_concurrent_requests"},
        BadConfig{"NoTime", [](auto& c) { c.mutable_request_timeout()->set_seconds(0); }, "rest.request_timeout"},
        BadConfig{"EternalDrain", [](auto& c) { c.mutable_drain_timeout()->set_seconds(601); }, "rest.drain_timeout"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace twi::http
