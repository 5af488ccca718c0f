#include "services/verifier/rest_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/checks.h"
#include "common/encoding/encoding.h"
#include "common/http/http_config.h"
#include "common/http/media_type.h"
#include "common/http/problem.h"
#include "common/jose/jwk.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/rest_evidence.h"

namespace twi::verifier {
namespace {

constexpr char kSessionMediaType[] = "application/vnd.veraison.challenge-response-session+json";
constexpr char kDiscoveryMediaType[] = "application/vnd.veraison.discovery+json";
constexpr char kNewSessionPath[] = "/challenge-response/v1/newSession";
constexpr char kSessionPath[] = "/challenge-response/v1/session/{id}";
constexpr char kDiscoveryPath[] = "/.well-known/veraison/verification";
constexpr std::size_t kMinNonce = 8, kMaxNonce = 64, kDefaultNonce = 32;
constexpr std::uint32_t kDefaultSessions = 10'000, kMostSessions = 100'000, kDefaultPerClient = 1'000;

const char* StatusText(RestSession::Status status) {
  switch (status) {
    case RestSession::Status::kWaiting:
      return "waiting";
    case RestSession::Status::kProcessing:
      return "processing";
    case RestSession::Status::kComplete:
      return "complete";
    case RestSession::Status::kFailed:
      return "failed";
  }
  return "failed";
}

// Veraison's code reads `status`, its documentation says `state`: both are there.
http::Response SessionResponse(int http_status, const RestSession& session) {
  nlohmann::json body = {
      {"nonce", session.nonce_text},
      {"expiry", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", session.expiry, absl::UTCTimeZone())},
      {"accept", SubmissionMediaTypes()},
      {"status", StatusText(session.status)},
      {"state", StatusText(session.status)},
  };
  if (session.status == RestSession::Status::kComplete) body["result"] = session.result;
  return {http_status, kSessionMediaType, body.dump()};
}

bool HasSpiffeId(const http::Request& request) {
  return request.peer.has_value() && request.peer->kind == server::PeerIdentity::Kind::kSpiffeId;
}

// A SPIFFE ID is given by somebody; a key, or no certificate, anybody can have: each of these two kinds is one client.
SessionOwner OwnerOf(const http::Request& request) {
  if (!request.peer.has_value()) return {"anonymous", "anonymous"};
  const std::string name = request.peer->ToString();
  return {name, HasSpiffeId(request) ? name : "attested_key"};
}

absl::Status CheckAccept(const http::Request& request, absl::string_view media_type) {
  TWI_ASSIGN_OR_RETURN(const bool accepts, http::Accepts(request.Header("accept"), media_type));
  if (accepts) return absl::OkStatus();
  return Deny(v1::DENY_REASON_MEDIA_TYPE_NOT_ACCEPTABLE, absl::StrCat(request.Header("accept"), " lacks ", media_type));
}

absl::Status CheckNoQuery(const http::Request& request) {
  if (request.query.empty()) return absl::OkStatus();
  return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "a query where none is known");
}

absl::StatusOr<std::string> DecodeNonce(const std::string& text) {
  absl::StatusOr<std::string> nonce = FromBase64Url(text);
  if (!nonce.ok()) nonce = FromBase64(text);
  if (!nonce.ok()) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "nonce is no base64");
  return nonce;
}

}  // namespace

const std::vector<std::string>& RestRouteNames() {
  static const auto* names =
      new std::vector<std::string>{"NewSession", "SubmitEvidence", "GetSession", "DeleteSession", "Discovery"};
  return *names;
}

absl::StatusOr<RestSettings> CheckRestConfig(const config::v1::VerifierRest& config) {
  TWI_RETURN_IF_ERROR(config::Expect(config.has_http(), "rest.http", "a section"));
  TWI_ASSIGN_OR_RETURN(const http::HttpSettings http,
                       http::CheckHttpConfig(config.http(), "rest.http", RestRouteNames()));
  RestSettings settings;
  settings.sessions.lifetime =
      config::DurationOr(config.has_session_lifetime(), config.session_lifetime(), settings.sessions.lifetime);
  TWI_RETURN_IF_ERROR(
      config::ExpectWithin(settings.sessions.lifetime, absl::Seconds(1), absl::Minutes(10), "rest.session_lifetime"));
  const std::uint32_t sessions = config.max_sessions() == 0 ? kDefaultSessions : config.max_sessions();
  TWI_RETURN_IF_ERROR(config::Expect(sessions <= kMostSessions, "rest.max_sessions", "at most 100000"));
  const std::uint32_t per_client =
      config.max_sessions_per_client() == 0 ? std::min(kDefaultPerClient, sessions) : config.max_sessions_per_client();
  TWI_RETURN_IF_ERROR(config::Expect(per_client <= sessions, "rest.max_sessions_per_client", "at most max_sessions"));
  settings.sessions.max_sessions = sessions;
  settings.sessions.max_per_client = per_client;
  settings.default_audience = config.default_audience();
  const bool nameless = http.any_anonymous || http.any_attested_key;
  TWI_RETURN_IF_ERROR(config::Expect(
      nameless != settings.default_audience.empty(), "rest.default_audience",
      nameless ? "a URI: allow names clients without a SPIFFE ID" : "nothing: every client has a SPIFFE ID"));
  if (nameless) TWI_RETURN_IF_ERROR(config::ExpectUri(settings.default_audience, "rest.default_audience"));
  return settings;
}

absl::StatusOr<RequestedNonce> NonceOf(const std::map<std::string, std::string>& query, crypto::Random& random) {
  if (query.size() > 1) return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "more than one of nonce and nonceSize");
  const std::string name = query.empty() ? "nonceSize" : query.begin()->first;
  RequestedNonce nonce;
  if (name == "nonce") {
    nonce.text = query.begin()->second;
    TWI_ASSIGN_OR_RETURN(nonce.bytes, DecodeNonce(nonce.text));
  } else if (name == "nonceSize") {
    std::size_t size = kDefaultNonce;
    if (!query.empty() && !absl::SimpleAtoi(query.begin()->second, &size)) size = 0;
    if (size >= kMinNonce && size <= kMaxNonce) nonce.bytes = random.Bytes(size);
    nonce.text = ToBase64Url(nonce.bytes);
  } else {
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("unknown parameter ", name));
  }
  if (nonce.bytes.size() < kMinNonce || nonce.bytes.size() > kMaxNonce)
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, "the nonce is not of 8..64 bytes");
  return nonce;
}

std::vector<http::Route> RestService::Routes() {
  const auto bound = [this](auto method) {
    return [this, method](const http::Request& request) { return (this->*method)(request); };
  };
  return {
      {"NewSession", "POST", kNewSessionPath, 0, bound(&RestService::NewSession)},
      {"SubmitEvidence", "POST", kSessionPath, kMaxSubmission, bound(&RestService::SubmitEvidence)},
      {"GetSession", "GET", kSessionPath, 0, bound(&RestService::GetSession)},
      {"DeleteSession", "DELETE", kSessionPath, 0, bound(&RestService::DeleteSession)},
      {"Discovery", "GET", kDiscoveryPath, 0, bound(&RestService::Discovery)},
  };
}

absl::StatusOr<http::Response> RestService::NewSession(const http::Request& request) {
  TWI_RETURN_IF_ERROR(CheckAccept(request, kSessionMediaType));
  TWI_ASSIGN_OR_RETURN(const RequestedNonce nonce, NonceOf(request.query, deps_.random));
  TWI_ASSIGN_OR_RETURN(const RestSession session,
                       sessions_.Open(OwnerOf(request), nonce.bytes, nonce.text, deps_.clock.Now()));
  http::Response response = SessionResponse(201, session);
  response.headers.emplace_back("Location", absl::StrCat("session/", session.id));  // relative, as Veraison's is
  return response;
}

absl::StatusOr<http::Response> RestService::SubmitEvidence(const http::Request& request) {
  TWI_RETURN_IF_ERROR(CheckAccept(request, kSessionMediaType));
  TWI_RETURN_IF_ERROR(CheckNoQuery(request));
  const std::string owner = OwnerOf(request).name;
  const std::string& id = request.path_parameters.at("id");
  // First whose session it is: who has none learns nothing of what we make of a body. Then it is used up, whatever
  // comes of it.
  TWI_ASSIGN_OR_RETURN(RestSession session, sessions_.Begin(id, owner, deps_.clock.Now()));
  const absl::StatusOr<std::string> results = Appraise(request, session);
  sessions_.Finish(id, results.ok() ? *results : "");
  if (DenyReasonOf(results.status()) == v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED)
    return http::Refusal(results.status(), {{"Accept", absl::StrJoin(SubmissionMediaTypes(), ", ")}});
  if (!results.ok()) return results.status();
  session.status = RestSession::Status::kComplete;
  session.result = *results;
  return SessionResponse(200, session);
}

absl::StatusOr<std::string> RestService::Appraise(const http::Request& request, const RestSession& session) const {
  TWI_ASSIGN_OR_RETURN(const Submission submission, ReadSubmission(request.Header("content-type"), request.body));
  if (!submission.binding.has_value()) {
    TWI_ASSIGN_OR_RETURN(
        const AttestationResults results,
        AppraiseForNonce(deps_, submission.evidence, submission.bytes, session.nonce, AudienceOf(request)));
    return Sign(deps_, results);
  }
  const v1::Binding& binding = *submission.binding;
  if (!ConstantTimeEqual(binding.nonce(), session.nonce))
    return Deny(v1::DENY_REASON_BINDING_MISMATCH, "binding.nonce is not the session's");
  if (!MayAskFor(request, binding.rp_id())) {
    return Deny(v1::DENY_REASON_RELYING_PARTY_NOT_ALLOWED,
                absl::StrCat(OwnerOf(request).name, " may not ask for rp_id ", binding.rp_id()));
  }
  TWI_ASSIGN_OR_RETURN(const AttestationResults results,
                       AppraiseForSession(deps_, submission.evidence, submission.bytes, binding));
  return Sign(deps_, results);
}

bool RestService::MayAskFor(const http::Request& request, const std::string& rp_id) const {
  if (!HasSpiffeId(request)) return rp_id == default_audience_;
  const auto party = deps_.relying_parties.find(rp_id);
  return rp_id == request.peer->spiffe_id ||
         (party != deps_.relying_parties.end() && party->second == request.peer->spiffe_id);
}

std::string RestService::AudienceOf(const http::Request& request) const {
  if (!HasSpiffeId(request)) return default_audience_;
  std::vector<std::string> named;
  for (const auto& [rp_id, spiffe_id] : deps_.relying_parties) {
    if (spiffe_id == request.peer->spiffe_id) named.push_back(rp_id);
  }
  return named.size() == 1 ? named[0] : request.peer->spiffe_id;
}

absl::StatusOr<http::Response> RestService::GetSession(const http::Request& request) {
  TWI_RETURN_IF_ERROR(CheckAccept(request, kSessionMediaType));
  TWI_RETURN_IF_ERROR(CheckNoQuery(request));
  TWI_ASSIGN_OR_RETURN(const RestSession session,
                       sessions_.Get(request.path_parameters.at("id"), OwnerOf(request).name, deps_.clock.Now()));
  return SessionResponse(200, session);
}

absl::StatusOr<http::Response> RestService::DeleteSession(const http::Request& request) {
  TWI_RETURN_IF_ERROR(CheckNoQuery(request));
  TWI_RETURN_IF_ERROR(sessions_.End(request.path_parameters.at("id"), OwnerOf(request).name, deps_.clock.Now()));
  http::Response response;
  response.status = 204;
  return response;
}

absl::StatusOr<http::Response> RestService::Discovery(const http::Request& request) const {
  TWI_RETURN_IF_ERROR(CheckAccept(request, kDiscoveryMediaType));
  TWI_RETURN_IF_ERROR(CheckNoQuery(request));
  const auto active = deps_.results_keys.Current(deps_.clock.Now());
  const jose::JwkSet published = deps_.results_keys.Published(deps_.clock.Now());
  const jose::Jwk* key = published.Find(active->kid);
  if (key == nullptr) return Deny(v1::DENY_REASON_INTERNAL, "the results key in force is not published");
  const nlohmann::json body = {
      {"ear-verification-key", jose::ToJson(*key)},
      {"media-types", SubmissionMediaTypes()},
      {"version", std::string(kVerifierBuild)},
      {"service-state", ready_().ok() ? "READY" : "DOWN"},
      {"api-endpoints", {{"newChallengeResponseSession", kNewSessionPath}}},
  };
  return http::Response{200, kDiscoveryMediaType, body.dump()};
}

}  // namespace twi::verifier
