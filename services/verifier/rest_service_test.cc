// Veraison's challenge-response API through the real door: TLS 1.3, allow-lists, HTTP; and our client against it.
#include "services/verifier/rest_service.h"

#include <atomic>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/attested_tls/attested_key.h"
#include "common/client/verifier_session.h"
#include "common/crypto/csr.h"
#include "common/encoding/encoding.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "common/jose/jws.h"
#include "common/testing/matchers.h"
#include "common/testing/raw_tls.h"
#include "common/testing/test_pki.h"
#include "services/verifier/rest_evidence.h"
#include "services/verifier/testing/verifier_under_test.h"

namespace twi::verifier {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::twi::testing::RawTls;
using ::twi::testing::StatusIs;
using ::twi::testing::TestPki;

constexpr char kRelyingParty[] = "spiffe://test.example/workload/relying-party";
constexpr char kOther[] = "spiffe://test.example/workload/other";
constexpr char kDefaultAudience[] = "https://anybody.test.example";
constexpr char kEvidence[] = "application/vnd.twi.evidence+protobuf";
constexpr char kSession[] = "application/vnd.veraison.challenge-response-session+json";
constexpr char kNewSession[] = "/challenge-response/v1/newSession";

class RestServiceTest : public ::testing::Test {
 protected:
  RestServiceTest() : verifier_(absl::Now()), pki_(verifier_.clock.Now()) {
    config_.mutable_http()->set_listen("127.0.0.1:0");
    *config_.mutable_http()->mutable_tls() = pki_.Issue("verifier", kVerifierId);
    for (const std::string& route : RestRouteNames()) {
      config::v1::Allow* allow = config_.mutable_http()->add_allow();
      allow->set_rpc(route);
      for (const char* peer : {kRelyingParty, kOther, kAuthorityId, "anonymous"}) allow->add_peers(peer);
    }
    config_.set_default_audience(kDefaultAudience);
  }
  void SetUp() override { Start(); }
  void Start() {
    const auto settings = CheckRestConfig(config_);
    ASSERT_OK(settings);
    server_.reset();
    rest_ = std::make_unique<RestService>(*verifier_.deps, *settings, [this] {
      return ready_ ? absl::OkStatus() : Deny(v1::DENY_REASON_STORAGE_FAILED, "no store");
    });
    auto server = http::Server::Start(config_.http(), verifier_.clock, rest_->Routes(), {"rest.http", nullptr});
    ASSERT_OK(server);
    server_ = *std::move(server);
  }

  config::v1::Peer AsPeer() const {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", server_->port()));
    peer.set_spiffe_id(kVerifierId);
    peer.mutable_timeout()->set_seconds(20);
    return peer;
  }
  std::unique_ptr<client::VerifierSessionClient> As(const char* spiffe_id) {
    auto client = client::MakeVerifierSessionClient(AsPeer(), pki_.Issue(absl::StrCat("client", serial_++), spiffe_id),
                                                    verifier_.clock);
    EXPECT_OK(client);
    return *std::move(client);
  }
  http::ClientResponse Send(http::ClientRequest request, const char* spiffe_id = kRelyingParty) {
    const auto client =
        http::Client::Make(AsPeer(), pki_.Issue(absl::StrCat("client", serial_++), spiffe_id), verifier_.clock);
    EXPECT_OK(client);
    auto response = (*client)->Send(request, Deadline());
    EXPECT_OK(response);
    return response.ok() ? *response : http::ClientResponse();
  }
  // A session for `nonce` over a connection of one's own: its path.
  static std::string OpenOver(RawTls& tls, const std::string& nonce) {
    tls.Write(absl::StrCat("POST ", kNewSession, "?nonce=", ToBase64Url(nonce), " HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string created = tls.ReadResponse();
    EXPECT_THAT(created, StartsWith("HTTP/1.1 201 "));
    const std::size_t at = created.find("Location: session/") + 10;
    return "/challenge-response/v1/" + created.substr(at, created.find("\r\n", at) - at);
  }
  static std::string PostTo(const std::string& path, const std::string& media_type, const std::string& body) {
    return absl::StrCat("POST ", path, " HTTP/1.1\r\nHost: x\r\nContent-Type: ", media_type,
                        "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }
  RawTls WithAFreshKey() {
    TestPki::Options options;
    options.uri_sans = std::vector<std::string>{};
    options.self_signed = true;
    const TestPki::Pair pair = pki_.Make("", options);
    RawTls::Options as;
    as.certificate_pem = pair.certificate_pem;
    as.key_pem = pair.key_pem;
    return RawTls(server_->port(), as);
  }
  absl::Time Deadline() const { return verifier_.clock.Now() + absl::Seconds(20); }

  std::string EvidenceWithFreshness(const std::string& report_data) const {
    v1::Evidence evidence;
    *evidence.mutable_sev_snp() =
        verifier_.chain.Evidence(verifier_.chain.With(verifier_.chain.Report(), 0x50, report_data));
    return evidence.SerializeAsString();
  }
  v1::Binding BindingFor(const client::VerifierSession& session, const std::string& rp_id) const {
    v1::Binding binding;
    binding.set_profile(v1::BINDING_PROFILE_TACRA_2);
    binding.set_nonce(session.nonce);
    binding.set_target(atls::BindingTarget(atls::Profile::kSession, atls::Role::kServer));
    binding.set_rp_id(rp_id);
    binding.set_subject(atls::WriteSubject({key_.public_key().spki(), std::string(32, 'e'), std::string(32, '\0')}));
    return binding;
  }
  std::string EvidenceOver(const v1::Binding& binding) const {
    return verifier_.EvidenceOver(binding).SerializeAsString();
  }
  nlohmann::json ClaimsOf(const std::string& jws) const {
    jose::JwsExpectation form;
    form.typ = kEarTyp;
    form.max_size = 192 * 1024;
    const auto verified = jose::VerifyJws(jws, verifier_.results_keys->Published(verifier_.clock.Now()), form);
    EXPECT_OK(verified);
    return verified.ok() ? verified->payload : nlohmann::json();
  }

  VerifierUnderTest verifier_;
  TestPki pki_;
  config::v1::VerifierRest config_;
  const crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  std::atomic<bool> ready_{true};
  std::unique_ptr<RestService> rest_;
  std::unique_ptr<http::Server> server_;
  int serial_ = 0;
};

// --- what a client of ours does (attested TLS) ---

TEST_F(RestServiceTest, AppraisesBoundEvidenceForTheRelyingPartyThatAsks) {
  const auto client = As(kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(32, Deadline()));
  EXPECT_EQ(session.media_types, SubmissionMediaTypes());
  const v1::Binding binding = BindingFor(session, kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const std::string jws,
                       client->SubmitBound(session, kEvidence, EvidenceOver(binding), binding, Deadline()));
  ASSERT_OK_AND_ASSIGN(const AttestationResults results, verifier_.Validate(jws, kRelyingParty));
  EXPECT_EQ(results.key_spki, key_.public_key().spki());
  EXPECT_EQ(results.nonce, session.nonce);
  EXPECT_OK(MatchResultsToRequest(results, binding, key_.public_key().spki_sha256()));
  EXPECT_OK(client->End(session, Deadline()));
}

TEST_F(RestServiceTest, AppraisesForAnRpIdThatConfigGivesToTheCaller) {
  const auto client = As(kAuthorityId);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(32, Deadline()));
  const v1::Binding binding = BindingFor(session, kRpId);
  ASSERT_OK_AND_ASSIGN(const std::string jws,
                       client->SubmitBound(session, kEvidence, EvidenceOver(binding), binding, Deadline()));
  EXPECT_OK(verifier_.Validate(jws, kRpId));
}

TEST_F(RestServiceTest, RefusesResultsForSomebodyElse) {
  for (const char* rp_id : {kOther, kRpId, kKeyStoreRpId, kDefaultAudience}) {
    const auto client = As(kRelyingParty);
    ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(32, Deadline()));
    const v1::Binding binding = BindingFor(session, rp_id);
    EXPECT_THAT(client->SubmitBound(session, kEvidence, EvidenceOver(binding), binding, Deadline()),
                StatusIs(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED))
        << rp_id;
  }
}

TEST_F(RestServiceTest, RefusesEvidenceThatIsNotBoundAsStated) {
  const auto client = As(kRelyingParty);
  const auto refused = [&](const std::function<void(v1::Binding&, v1::Binding&)>& spoil) {
    const auto session = client->NewSession(32, Deadline());
    EXPECT_OK(session);
    v1::Binding stated = BindingFor(*session, kRelyingParty), attested = stated;
    spoil(stated, attested);
    return client->SubmitBound(*session, kEvidence, EvidenceOver(attested), stated, Deadline()).status();
  };
  EXPECT_THAT(refused([](auto&, auto& attested) { attested.set_nonce(std::string(32, 'x')); }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  EXPECT_THAT(refused([](auto& stated, auto& attested) {
                stated.set_nonce(std::string(32, 'x'));
                attested = stated;
              }),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH))
      << "another nonce than the session's";
  EXPECT_THAT(refused([](auto& stated, auto& attested) {
                stated.set_target("https://payroll.test.example");
                attested = stated;
              }),
              StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
  EXPECT_THAT(refused([](auto& stated, auto&) { stated.set_subject("no key"); }),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(refused([this](auto& stated, auto& attested) {
                stated.set_subject(*crypto::MakeCsr(key_));
                attested = stated;
              }),
              StatusIs(v1::DENY_REASON_REQUEST_MALFORMED))
      << "a request for a credential";
  EXPECT_THAT(refused([](auto& stated, auto& attested) {
                stated.set_target("twi-atls-v1:session:observer");
                attested = stated;
              }),
              StatusIs(v1::DENY_REASON_TARGET_NOT_ALLOWED));
  EXPECT_THAT(refused([](auto& stated, auto&) { stated.clear_profile(); }),
              StatusIs(v1::DENY_REASON_BINDING_PROFILE_NOT_ALLOWED));
}

TEST_F(RestServiceTest, RefusesEvidenceThatTheVerifierRefuses) {
  const auto client = As(kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(32, Deadline()));
  const v1::Binding binding = BindingFor(session, kRelyingParty);
  const std::string evidence = verifier_.EvidenceWith(binding, 0x90, std::string(48, 'x')).SerializeAsString();
  EXPECT_THAT(client->SubmitBound(session, kEvidence, evidence, binding, Deadline()),
              StatusIs(v1::DENY_REASON_MEASUREMENT_UNKNOWN));
  const http::ClientResponse response = Send({"GET", session.path, "", ""});
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("\"status\":\"failed\""));
}

// --- what a stock client of Veraison's does ---

TEST_F(RestServiceTest, AppraisesEvidenceWhoseFreshnessIsTheNonce) {
  const auto client = As(kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(64, Deadline()));
  ASSERT_OK_AND_ASSIGN(const std::string jws,
                       client->Submit(session, kEvidence, EvidenceWithFreshness(session.nonce), Deadline()));
  const nlohmann::json claims = ClaimsOf(jws);
  EXPECT_EQ(claims.at("aud"), kRelyingParty);
  EXPECT_EQ(claims.at("eat_nonce"), ToBase64Url(session.nonce));
  const nlohmann::json& submod = claims.at("submods").at(kSubmod);
  EXPECT_EQ(submod.at("ear_status"), "affirming");
  EXPECT_EQ(submod.at("twi_binding").at("profile"), "veraison-nonce");
  EXPECT_FALSE(submod.contains("ear_veraison_key_attestation"));
  EXPECT_THAT(verifier_.Validate(jws, kRelyingParty), StatusIs(v1::DENY_REASON_RESULTS_MALFORMED))
      << "no relying party of ours takes results without a key";
}

TEST_F(RestServiceTest, TheAudienceIsTheOneThatConfigGivesToTheCaller) {
  const auto client = As(kAuthorityId);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(64, Deadline()));
  ASSERT_OK_AND_ASSIGN(const std::string jws,
                       client->Submit(session, kEvidence, EvidenceWithFreshness(session.nonce), Deadline()));
  EXPECT_EQ(ClaimsOf(jws).at("aud"), kRpId);
}

TEST_F(RestServiceTest, ServesAnonymousClientsForTheDefaultAudience) {
  const std::string nonce(64, 'n');
  RawTls tls(server_->port(), {});
  const std::string path = OpenOver(tls, nonce);
  ASSERT_TRUE(tls.Write(PostTo(path, kEvidence, EvidenceWithFreshness(nonce))));
  const std::string submitted = tls.ReadResponse();
  ASSERT_THAT(submitted, StartsWith("HTTP/1.1 200 "));
  const auto session = nlohmann::json::parse(submitted.substr(submitted.find("\r\n\r\n") + 4));
  EXPECT_EQ(session.at("state"), "complete");
  EXPECT_EQ(ClaimsOf(session.at("result").get<std::string>()).at("aud"), kDefaultAudience);
  EXPECT_EQ(Send({"GET", path, "", ""}).status, 403) << "and to nobody with a name";
}

TEST_F(RestServiceTest, RefusesEvidenceOfAnotherNonce) {
  const auto client = As(kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(64, Deadline()));
  EXPECT_THAT(client->Submit(session, kEvidence, EvidenceWithFreshness(std::string(64, 'x')), Deadline()),
              StatusIs(v1::DENY_REASON_BINDING_MISMATCH));
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession shorter, client->NewSession(32, Deadline()));
  EXPECT_THAT(
      client->Submit(shorter, kEvidence, EvidenceWithFreshness(shorter.nonce + std::string(32, '\0')), Deadline()),
      StatusIs(v1::DENY_REASON_BINDING_MISMATCH))
      << "padded";
}

TEST_F(RestServiceTest, GivesTheDiscoveryDocument) {
  const http::ClientResponse response = Send({"GET", "/.well-known/veraison/verification", "", ""});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/vnd.veraison.discovery+json");
  const nlohmann::json document = nlohmann::json::parse(response.body);
  EXPECT_EQ(document.at("service-state"), "READY");
  EXPECT_EQ(document.at("api-endpoints").at("newChallengeResponseSession"), kNewSession);
  EXPECT_EQ(document.at("media-types").size(), SubmissionMediaTypes().size());
  const auto key = jose::JwkFromJson(document.at("ear-verification-key"));
  ASSERT_OK(key);
  EXPECT_EQ(key->kid, verifier_.results_keys->Current(verifier_.clock.Now())->kid);
  EXPECT_FALSE(document.at("ear-verification-key").contains("d"));
}

TEST_F(RestServiceTest, TheDiscoveryDocumentSaysWhenTheDaemonIsNotReady) {
  ready_ = false;
  const http::ClientResponse response = Send({"GET", "/.well-known/veraison/verification", "", ""});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(nlohmann::json::parse(response.body).at("service-state"), "DOWN");
}

TEST_F(RestServiceTest, SessionsHaveVeraisonsForm) {
  const http::ClientResponse response = Send({"POST", absl::StrCat(kNewSession, "?nonceSize=16"), "", ""});
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.content_type, kSession);
  EXPECT_THAT(response.location, StartsWith("session/"));
  const nlohmann::json session = nlohmann::json::parse(response.body);
  EXPECT_EQ(FromBase64Url(session.at("nonce").get<std::string>())->size(), 16u);
  EXPECT_EQ(session.at("status"), "waiting");
  EXPECT_EQ(session.at("state"), "waiting");
  absl::Time expiry;
  std::string error;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, session.at("expiry").get<std::string>(), &expiry, &error)) << error;
  EXPECT_LE(expiry, verifier_.clock.Now() + absl::Seconds(150));
  EXPECT_FALSE(session.contains("result"));
}

// --- what is refused ---

TEST_F(RestServiceTest, RefusesForeignUnknownUsedAndExpiredSessions) {
  const auto client = As(kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(64, Deadline()));
  const std::string evidence = EvidenceWithFreshness(session.nonce);
  EXPECT_THAT(As(kOther)->Submit(session, kEvidence, evidence, Deadline()),
              StatusIs(v1::DENY_REASON_SESSION_WRONG_PEER));
  EXPECT_THAT(As(kOther)->End(session, Deadline()), StatusIs(v1::DENY_REASON_SESSION_WRONG_PEER));
  client::VerifierSession unknown = session;
  unknown.path += "x";
  EXPECT_THAT(client->Submit(unknown, kEvidence, evidence, Deadline()), StatusIs(v1::DENY_REASON_SESSION_UNKNOWN));
  EXPECT_OK(client->Submit(session, kEvidence, evidence, Deadline()));
  EXPECT_THAT(client->Submit(session, kEvidence, evidence, Deadline()), StatusIs(v1::DENY_REASON_SESSION_USED));
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession late, client->NewSession(64, Deadline()));
  verifier_.clock.Advance(absl::Seconds(150));
  EXPECT_THAT(client->Submit(late, kEvidence, EvidenceWithFreshness(late.nonce), Deadline()),
              StatusIs(v1::DENY_REASON_SESSION_EXPIRED));
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession ended, client->NewSession(64, Deadline()));
  EXPECT_OK(client->End(ended, Deadline()));
  EXPECT_THAT(client->End(ended, Deadline()), StatusIs(v1::DENY_REASON_SESSION_UNKNOWN));
}

TEST_F(RestServiceTest, RefusesAFloodOfSessions) {
  config_.set_max_sessions(4);
  config_.set_max_sessions_per_client(3);
  Start();
  const auto flooder = As(kRelyingParty), other = As(kOther);
  for (int i = 0; i < 3; ++i) EXPECT_OK(flooder->NewSession(32, Deadline()));
  EXPECT_THAT(flooder->NewSession(32, Deadline()), StatusIs(v1::DENY_REASON_OVERLOADED));
  EXPECT_OK(other->NewSession(32, Deadline()));
  EXPECT_THAT(other->NewSession(32, Deadline()), StatusIs(v1::DENY_REASON_OVERLOADED));
}

TEST_F(RestServiceTest, RefusesAFloodOfFreshKeysWithoutHarmToOthers) {
  config_.set_max_sessions_per_client(3);
  for (config::v1::Allow& allow : *config_.mutable_http()->mutable_allow()) allow.add_peers("attested_key");
  Start();
  const std::string open = absl::StrCat("POST ", kNewSession, " HTTP/1.1\r\nHost: x\r\n\r\n");
  for (const char* status : {"201", "201", "201", "429"}) {
    RawTls tls = WithAFreshKey();
    ASSERT_TRUE(tls.Write(open));
    EXPECT_THAT(tls.ReadResponse(), StartsWith(absl::StrCat("HTTP/1.1 ", status)));
  }
  EXPECT_OK(As(kRelyingParty)->NewSession(32, Deadline()));
  RawTls anonymous(server_->port(), {});
  OpenOver(anonymous, std::string(32, 'n'));
}

TEST_F(RestServiceTest, RefusesRequestsThatAreNotOfTheApi) {
  const auto reason = [](const http::ClientResponse& response) {
    return absl::StrCat(response.status, " ", response.body);
  };
  for (const char* query : {"nonceSize=7", "nonceSize=65", "nonce=AAAA", "nonce=AAECAwQFBgc&nonceSize=8", "size=8"})
    EXPECT_THAT(reason(Send({"POST", absl::StrCat(kNewSession, "?", query), "", ""})),
                AllOf(StartsWith("400 "), HasSubstr("REQUEST_MALFORMED")))
        << query;
  http::ClientRequest wrong_accept{"POST", kNewSession, "", ""};
  wrong_accept.accept = "text/html";
  EXPECT_THAT(reason(Send(wrong_accept)), AllOf(StartsWith("406 "), HasSubstr("MEDIA_TYPE_NOT_ACCEPTABLE")));
  EXPECT_THAT(reason(Send({"GET", kNewSession, "", ""})), StartsWith("405 "));
  EXPECT_THAT(reason(Send({"GET", "/challenge-response/v2/newSession", "", ""})), StartsWith("404 "));
  EXPECT_THAT(reason(Send({"POST", kNewSession, kEvidence, "body"})), AllOf(StartsWith("413 ")));
}

TEST_F(RestServiceTest, RefusesWrongMediaTypesAndHugeBodies) {
  const auto client = As(kRelyingParty);
  ASSERT_OK_AND_ASSIGN(const client::VerifierSession session, client->NewSession(64, Deadline()));
  EXPECT_THAT(client->Submit(session, kEvidence, std::string(kMaxSubmission + 1, 'a'), Deadline()),
              StatusIs(v1::DENY_REASON_REQUEST_TOO_LARGE))
      << "before the session is looked at, so it is not used up";
  EXPECT_THAT(client->Submit(session, "application/json", "{}", Deadline()),
              StatusIs(v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED));
}

// RFC 9110 section 15.5.16: what would be taken stands in the Accept header.
TEST_F(RestServiceTest, RefusesAWrongMediaTypeAndSaysWhichAreRight) {
  RawTls tls(server_->port(), {});
  const std::string path = OpenOver(tls, std::string(64, 'n'));
  ASSERT_TRUE(tls.Write(PostTo(path, "application/json", "{}")));
  const std::string response = tls.ReadResponse();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(response, HasSubstr(absl::StrCat("\r\nAccept: ", absl::StrJoin(SubmissionMediaTypes(), ", "), "\r\n")));
}

TEST_F(RestServiceTest, RefusesClientsThatAreNotAllowed) {
  EXPECT_EQ(Send({"POST", kNewSession, "", ""}, "spiffe://test.example/workload/stranger").status, 201)
      << "anonymous is allowed, so a name shuts nobody out";
  for (config::v1::Allow& allow : *config_.mutable_http()->mutable_allow()) allow.mutable_peers()->RemoveLast();
  config_.clear_default_audience();
  Start();
  EXPECT_EQ(Send({"POST", kNewSession, "", ""}, "spiffe://test.example/workload/stranger").status, 403);
  RawTls tls(server_->port(), {});
  tls.Write("GET /.well-known/veraison/verification HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(tls.ReadResponse(), "") << "no certificate: refused in the handshake";
}

TEST_F(RestServiceTest, RefusesBadConfig) {
  const std::pair<const char*, std::function<void(config::v1::VerifierRest&)>> faults[] = {
      {"rest.http", [](auto& c) { c.clear_http(); }},
      {"rest.http.listen", [](auto& c) { c.mutable_http()->clear_listen(); }},
      {"rest.http.allow[0].rpc", [](auto& c) { c.mutable_http()->mutable_allow(0)->set_rpc("Appraise"); }},
      {"rest.session_lifetime", [](auto& c) { c.mutable_session_lifetime()->set_seconds(601); }},
      {"rest.max_sessions", [](auto& c) { c.set_max_sessions(100'001); }},
      {"rest.max_sessions_per_client", [](auto& c) { c.set_max_sessions_per_client(10'001); }},
      {"rest.default_audience", [](auto& c) { c.clear_default_audience(); }},
      {"rest.default_audience", [](auto& c) { c.set_default_audience("anybody"); }},
      {"rest.default_audience", [](auto& c) { c.set_default_audience("https://any body"); }},
      {"rest.default_audience",
       [](auto& c) {
         for (auto& allow : *c.mutable_http()->mutable_allow()) allow.mutable_peers()->RemoveLast();
       }},
  };
  for (const auto& [field, spoil] : faults) {
    config::v1::VerifierRest config = config_;
    spoil(config);
    EXPECT_THAT(CheckRestConfig(config).status(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr(field))) << field;
  }
}

}  // namespace
}  // namespace twi::verifier
