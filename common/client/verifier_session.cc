#include "common/client/verifier_session.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/client/session_document.h"
#include "common/encoding/encoding.h"
#include "common/http/client.h"
#include "common/http/problem.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::client {
namespace {

class ClientImpl final : public VerifierSessionClient {
 public:
  ClientImpl(std::string authority, std::unique_ptr<http::Client> http)
      : authority_(std::move(authority)), http_(std::move(http)) {}

  absl::StatusOr<VerifierSession> NewSession(std::size_t nonce_size, absl::Time deadline) override {
    TWI_ASSIGN_OR_RETURN(VerifierSession session, Open(absl::StrCat("nonceSize=", nonce_size), deadline));
    if (session.nonce.size() == nonce_size) return session;
    return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's session has a nonce of another size");
  }

  absl::StatusOr<VerifierSession> NewSessionFor(absl::string_view nonce, absl::Time deadline) override {
    TWI_ASSIGN_OR_RETURN(VerifierSession session, Open(absl::StrCat("nonce=", ToBase64Url(nonce)), deadline));
    if (session.nonce == nonce) return session;
    return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's session has another nonce than ours");
  }

  absl::StatusOr<std::string> Submit(const VerifierSession& session, absl::string_view media_type,
                                     absl::string_view evidence, absl::Time deadline) override {
    http::ClientRequest request{"POST", session.path, std::string(media_type), std::string(evidence)};
    TWI_ASSIGN_OR_RETURN(const http::ClientResponse response, Call(std::move(request), 200, deadline));
    TWI_ASSIGN_OR_RETURN(SessionDocument document, Read(response));
    if (document.nonce != session.nonce)
      return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's session has changed its nonce");
    if (document.status == SessionStatus::kFailed)  // a verdict, no outage: asking again would not help
      return Deny(v1::DENY_REASON_APPRAISAL_POLICY_REFUSED, "the Verifier's session has failed, it does not say why");
    if (document.status != SessionStatus::kComplete)
      return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's session is not complete");
    return std::move(document.result);
  }

  absl::StatusOr<std::string> SubmitBound(const VerifierSession& session, absl::string_view media_type,
                                          absl::string_view evidence, const v1::Binding& binding,
                                          absl::Time deadline) override {
    v1::BoundEvidence bound;
    bound.set_media_type(std::string(media_type));
    bound.set_evidence(std::string(evidence));
    *bound.mutable_binding() = binding;
    return Submit(session, kBoundEvidenceMediaType, bound.SerializeAsString(), deadline);
  }

  absl::Status End(const VerifierSession& session, absl::Time deadline) override {
    http::ClientRequest request;
    request.method = "DELETE";
    request.path = session.path;
    return Call(std::move(request), 204, deadline).status();
  }

  absl::StatusOr<jose::JwkSet> ResultsKeys(absl::Time deadline) override {
    http::ClientRequest request;
    request.path = kDiscoveryPath;
    TWI_ASSIGN_OR_RETURN(const http::ClientResponse response,
                         Call(std::move(request), 200, deadline, kDiscoveryMediaType));
    if (!absl::StartsWith(response.content_type, kDiscoveryMediaType))
      return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's answer is no discovery document");
    return ParseDiscovery(response.body);
  }

 private:
  absl::StatusOr<VerifierSession> Open(const std::string& query, absl::Time deadline) {
    http::ClientRequest request;
    request.method = "POST";
    request.path = absl::StrCat(kNewSessionPath, "?", query);
    TWI_ASSIGN_OR_RETURN(const http::ClientResponse response, Call(std::move(request), 201, deadline));
    TWI_ASSIGN_OR_RETURN(SessionDocument document, Read(response));
    VerifierSession session;
    TWI_ASSIGN_OR_RETURN(session.path, ResolveLocation(response.location, kNewSessionPath, authority_));
    session.nonce = std::move(document.nonce);
    session.expiry = document.expiry;
    session.media_types = std::move(document.accept);
    return session;
  }

  absl::StatusOr<http::ClientResponse> Call(http::ClientRequest request, int expected, absl::Time deadline,
                                            const char* accept = kSessionMediaType) {
    request.accept = accept;
    request.max_response = kMaxSessionDocument;
    const std::string what = absl::StrCat(request.method, " ", request.path.substr(0, request.path.find('?')));
    TWI_ASSIGN_OR_RETURN(http::ClientResponse response, http_->Send(request, deadline));
    if (response.status == expected) return response;
    return http::FromProblem(response.status, response.content_type, response.body, what);
  }

  static absl::StatusOr<SessionDocument> Read(const http::ClientResponse& response) {
    if (!absl::StartsWith(response.content_type, kSessionMediaType))
      return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's answer is no session");
    return ParseSessionDocument(response.body);
  }

  const std::string authority_;
  const std::unique_ptr<http::Client> http_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierSessionClient>> MakeVerifierSessionClient(const config::v1::Peer& peer,
                                                                                 const config::v1::Tls& tls,
                                                                                 const Clock& clock) {
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<http::Client> http, http::Client::Make(peer, tls, clock));
  return std::make_unique<ClientImpl>(peer.address(), std::move(http));
}

}  // namespace twi::client
