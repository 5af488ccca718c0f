// A session at the Verifier on behalf of one connection. When nothing was submitted to it, it is ended: a peer that
// opens connections and goes away must not fill the share of sessions that the Verifier gives us. Inside
// common/attested_tls only.
#ifndef TWI_COMMON_ATTESTED_TLS_OPEN_SESSION_H_
#define TWI_COMMON_ATTESTED_TLS_OPEN_SESSION_H_

#include <memory>
#include <utility>

#include "common/attested_tls/verifier_sessions.h"
#include "common/attested_tls/workers.h"

namespace twi::atls {

class OpenSession {
 public:
  // `workers`: where the session is ended; when their queue is full, it expires by itself. They must outlive this:
  // their own threads and the connections, whose endpoint keeps them, are the only ones that hold one.
  OpenSession(VerifierSession session, std::shared_ptr<VerifierSessions> verifier, Workers& workers)
      : session_(std::move(session)), verifier_(std::move(verifier)), workers_(workers) {}
  ~OpenSession() {
    if (!submitted_)
      (void)workers_.Run([verifier = verifier_, session = std::move(session_)] { verifier->End(session); });
  }
  OpenSession(const OpenSession&) = delete;
  OpenSession& operator=(const OpenSession&) = delete;

  const VerifierSession& operator*() const { return session_; }
  const VerifierSession* operator->() const { return &session_; }
  void Submitted() { submitted_ = true; }

 private:
  VerifierSession session_;
  const std::shared_ptr<VerifierSessions> verifier_;
  Workers& workers_;
  bool submitted_ = false;
};

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_OPEN_SESSION_H_
