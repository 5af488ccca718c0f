#include "common/client/verifier_sessions.h"

#include <algorithm>
#include <utility>

#include "common/attested_tls/code_points.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::client {
namespace {

constexpr std::size_t kNonceSize = 32;
constexpr absl::Duration kEndTimeout = absl::Seconds(2);

bool Takes(const VerifierSession& session, const char* media_type) {
  return std::find(session.media_types.begin(), session.media_types.end(), media_type) != session.media_types.end();
}

class SessionsImpl final : public atls::VerifierSessions {
 public:
  SessionsImpl(VerifierSessionClient& verifier, const Clock& clock) : verifier_(verifier), clock_(clock) {}

  absl::StatusOr<atls::VerifierSession> NewSession(absl::Time deadline) override {
    TWI_ASSIGN_OR_RETURN(VerifierSession session, verifier_.NewSession(kNonceSize, deadline));
    if (Takes(session, kBoundEvidenceMediaType) && Takes(session, atls::kEvidenceMediaType))
      return atls::VerifierSession{std::move(session.path), std::move(session.nonce), {atls::kEvidenceMediaType}};
    End({std::move(session.path), "", {}});
    return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier does not take bound Evidence");
  }

  absl::StatusOr<std::string> Submit(const atls::VerifierSession& session, absl::string_view media_type,
                                     absl::string_view evidence, const v1::Binding& binding,
                                     absl::Time deadline) override {
    return verifier_.SubmitBound(ClientSession(session), media_type, evidence, binding, deadline);
  }

  void End(const atls::VerifierSession& session) override {
    const absl::Status ended = verifier_.End(ClientSession(session), clock_.Now() + kEndTimeout);
    if (!ended.ok()) log::Info("session left to expire", {{log::fields::kDetail, std::string(ended.message())}});
  }

 private:
  static VerifierSession ClientSession(const atls::VerifierSession& session) {
    VerifierSession same;
    same.path = session.id;
    same.nonce = session.nonce;
    return same;
  }

  VerifierSessionClient& verifier_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<atls::VerifierSessions> MakeVerifierSessions(VerifierSessionClient& verifier, const Clock& clock) {
  return std::make_unique<SessionsImpl>(verifier, clock);
}

}  // namespace twi::client
