// Veraison's challenge-response API and discovery document (rest.md), beside gRPC. An adapter, as verifier_service.h
// is: who called comes from the channel; what is decided is decided in verify_request.h.
#ifndef TWI_SERVICES_VERIFIER_REST_SERVICE_H_
#define TWI_SERVICES_VERIFIER_REST_SERVICE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/http/message.h"
#include "proto/twi/config/v1/verifier.pb.h"
#include "services/verifier/rest_sessions.h"
#include "services/verifier/verify_request.h"

namespace twi::verifier {

// The routes' names, as `allow` has them.
const std::vector<std::string>& RestRouteNames();

// A config::v1::VerifierRest, checked and with its defaults filled in. CONFIG_INVALID at the place of the field.
struct RestSettings {
  RestSessions::Options sessions;
  std::string default_audience;
};
absl::StatusOr<RestSettings> CheckRestConfig(const config::v1::VerifierRest& config);

// Thread-safe. `deps` outlives it, and it the server. `ready`: whether the daemon is (its health probe's answer), for
// the discovery document.
class RestService {
 public:
  RestService(const VerifierDeps& deps, const RestSettings& settings, std::function<absl::Status()> ready)
      : deps_(deps),
        default_audience_(settings.default_audience),
        ready_(std::move(ready)),
        sessions_(settings.sessions, deps.random) {}

  // POST newSession, POST/GET/DELETE session, GET discovery.
  std::vector<http::Route> Routes();

 private:
  absl::StatusOr<http::Response> NewSession(const http::Request& request);
  absl::StatusOr<http::Response> SubmitEvidence(const http::Request& request);
  absl::StatusOr<http::Response> GetSession(const http::Request& request);
  absl::StatusOr<http::Response> DeleteSession(const http::Request& request);
  absl::StatusOr<http::Response> Discovery(const http::Request& request) const;

  absl::StatusOr<std::string> Appraise(const http::Request& request, const RestSession& session) const;
  // Whom results may be made for at this client's request (`aud`): with a SPIFFE ID, that itself, and every rp_id of
  // the config that names it; without one, the default audience alone.
  bool MayAskFor(const http::Request& request, const std::string& rp_id) const;
  // Whom they are made for when the client names nobody: the one rp_id that config gives to its SPIFFE ID, else (none,
  // or several) the SPIFFE ID; without one, the default audience.
  std::string AudienceOf(const http::Request& request) const;

  const VerifierDeps& deps_;
  const std::string default_audience_;
  const std::function<absl::Status()> ready_;
  RestSessions sessions_;
};

// The nonce of a new session: of the query's `nonce` (base64url without padding, or base64 with it), or `nonceSize`
// (8..64, default 32) random bytes. REQUEST_MALFORMED for both, neither form, another parameter, another size.
struct RequestedNonce {
  std::string bytes;
  std::string text;  // as the answer gives it: as the client wrote it; else base64url without padding
};
absl::StatusOr<RequestedNonce> NonceOf(const std::map<std::string, std::string>& query, crypto::Random& random);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_REST_SERVICE_H_
