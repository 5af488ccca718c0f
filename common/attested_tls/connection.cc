#include "common/attested_tls/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/socket_bio.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/err.h"

namespace twi::atls {
namespace {

// How long the peer may take to read why it was refused before the socket is closed under it.
constexpr absl::Duration kLinger = absl::Seconds(1);

absl::Status Busy(absl::string_view what) {
  return Deny(v1::DENY_REASON_OVERLOADED, absl::StrCat("attested TLS: too much waits for ", what));
}

}  // namespace

ConnectionImpl::ConnectionImpl(EndpointCore& core, int socket, std::function<void()> wake, absl::Time now)
    : core_(core),
      socket_(socket),
      wake_(std::move(wake)),
      now_(now),
      deadline_(now + core.settings.handshake_timeout),
      profile_(core.settings.profiles.front()) {}

Progress ConnectionImpl::Advance(absl::Time now) {
  now_ = now;
  want_read_ = want_write_ = false;
  if (phase_ != Phase::kOpen && phase_ != Phase::kLingering && phase_ != Phase::kClosed && now >= deadline_)
    Fail(Deny(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT,
              absl::StrCat("not finished within ", absl::FormatDuration(settings().handshake_timeout))));
  Step step = Step::kAgain;
  while (step == Step::kAgain) {
    switch (phase_) {
      case Phase::kStart:
        step = Start();
        break;
      case Phase::kHandshake:
        step = Handshake();
        break;
      case Phase::kExchange:
        step = Exchange();
        break;
      case Phase::kLingering:
        step = Linger();
        break;
      case Phase::kOpen:
        return {Progress::State::kOpen, true, false};
      case Phase::kClosed:
        return {Progress::State::kClosed, false, false};
    }
  }
  return {Progress::State::kHandshaking, want_read_, want_write_};
}

// A server spends nothing on a peer that has not sent a byte; a client that offers profile handshake needs the
// Verifier's nonce for its ClientHello.
ConnectionImpl::Step ConnectionImpl::Start() {
  if (IsClient()) {
    const absl::StatusOr<bool> ready = SessionReady();
    if (!ready.ok()) return Fail(ready.status()), Step::kAgain;
    if (!*ready && core_.Accepts(Profile::kHandshake)) return Step::kWait;
  } else {
    char first = 0;
    const ssize_t got = recv(socket_, &first, 1, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
      want_read_ = true;
      return Step::kWait;
    }
    if (got <= 0)
      return Fail(Deny(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, "closed before the first byte")), Step::kAgain;
  }
  const absl::Status made = MakeSsl();
  if (!made.ok()) return Fail(made), Step::kAgain;
  phase_ = Phase::kHandshake;
  return Step::kAgain;
}

absl::Status ConnectionImpl::MakeSsl() {
  UniqueSsl ssl(SSL_new(core_.ctx.get()));
  BIO* bio = ssl == nullptr ? nullptr : NewSocketBio(socket_);
  if (bio == nullptr) return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL has no memory for a connection");
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_app_data(ssl.get(), this);
  IsClient() ? SSL_set_connect_state(ssl.get()) : SSL_set_accept_state(ssl.get());
  ssl_ = std::move(ssl);
  return absl::OkStatus();
}

ConnectionImpl::Step ConnectionImpl::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    HandshakeDone();
    return Step::kAgain;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      want_read_ = true;
      return Step::kWait;
    case SSL_ERROR_WANT_WRITE:
      want_write_ = true;
      return Step::kWait;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:  // the handshake is paused: a worker will wake us
    case SSL_ERROR_WANT_X509_LOOKUP:
    case SSL_ERROR_WANT_RETRY_VERIFY:
      return Step::kWait;
    default:
      break;
  }
  const absl::Status tls = TlsFailure();
  Fail(refusal_.ok() ? tls : refusal_);
  return Step::kAgain;
}

absl::Status ConnectionImpl::CheckHandshake() {
  if (SSL_version(ssl_.get()) != TLS1_3_VERSION || SSL_session_reused(ssl_.get()) != 0)
    return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL negotiated what was switched off");
  if (plain_peer_)
    return Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT, "the ClientHello carries no attested_key: plain TLS");
  if (self() != nullptr && !peer_leaf_.has_value())
    return Deny(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID, "the peer showed no certificate");
  if (IsClient() && profile_ == Profile::kHandshake && !peer_.has_value())
    return Deny(v1::DENY_REASON_INTERNAL, "the handshake ended without an appraisal");
  return absl::OkStatus();
}

void ConnectionImpl::HandshakeDone() {
  const absl::Status checked = CheckHandshake();
  if (!checked.ok()) return Fail(checked);
  StartExchange();
}

absl::Time ConnectionImpl::JobDeadline() const { return std::min(deadline_, now_ + settings().appraisal_timeout); }

absl::StatusOr<bool> ConnectionImpl::SessionReady() {
  if (session_.has_value() || self() == nullptr) return true;
  if (session_job_ == nullptr) {
    session_job_ = RunPending<VerifierSession>(
        *settings().verifier_workers,
        [self = settings().relying_party, &clock = core_.clock,
         deadline = JobDeadline()]() -> absl::StatusOr<VerifierSession> {
          if (clock.Now() >= deadline) return Busy("the Verifier");
          return self->verifier->NewSession(deadline);
        },
        wake_);
    if (session_job_ == nullptr) return Busy("the Verifier");
  }
  if (!session_job_->ready()) return false;
  TWI_ASSIGN_OR_RETURN(session_, session_job_->Take());
  session_job_.reset();
  if (session_->nonce.size() < kMinNonce || session_->nonce.size() > kMaxNonce || session_->media_types.empty() ||
      session_->media_types.size() > kMaxMediaTypes) {
    return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's session has no usable nonce or media types");
  }
  return true;
}

absl::Status ConnectionImpl::StartAppraisal(ReceivedEvidence received) {
  appraisal_job_ = RunPending<AttestedPeer>(
      *settings().verifier_workers,
      [self = settings().relying_party, session = *session_, received = std::move(received), &clock = core_.clock,
       deadline = JobDeadline()]() -> absl::StatusOr<AttestedPeer> {
        if (clock.Now() >= deadline) return Busy("the Verifier");
        return AppraisePeer(*self, session, received, clock, deadline);
      },
      wake_);
  return appraisal_job_ == nullptr ? Busy("the Verifier") : absl::OkStatus();
}

absl::StatusOr<bool> ConnectionImpl::AppraisalReady() {
  if (!appraisal_job_->ready()) return false;
  TWI_ASSIGN_OR_RETURN(peer_, appraisal_job_->Take());
  appraisal_job_.reset();
  return true;
}

std::string ConnectionImpl::OwnKeySha256() const {
  return leaf_installed_ ? settings().attester->key_sha256() : std::string(32, '\0');
}

// The peer learns the reason's name: in a frame when the tunnel is up (README, "Refusals"), by an alert before.
void ConnectionImpl::Fail(absl::Status why) {
  why_ = std::move(why);
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) == 1 &&
      DenyReasonOf(why_) != v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED) {
    const std::string frame = WriteRefused(DenyReasonName(DenyReasonOf(why_)));
    ERR_clear_error();
    SSL_write(ssl_.get(), frame.data(), static_cast<int>(frame.size()));
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  shutdown(socket_, SHUT_WR);
  deadline_ = now_ + kLinger;
  phase_ = Phase::kLingering;
}

// Takes what the peer still sends, so that the kernel does not reset the connection before the reason is read.
ConnectionImpl::Step ConnectionImpl::Linger() {
  char dropped[4096];
  ssize_t got = 0;
  for (int i = 0; i < 16; ++i) {
    got = recv(socket_, dropped, sizeof(dropped), 0);
    if (got <= 0) break;
  }
  const bool more = got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
  if (more && now_ < deadline_) {
    want_read_ = true;
    return Step::kWait;
  }
  phase_ = Phase::kClosed;
  deadline_ = absl::InfiniteFuture();
  return Step::kAgain;
}

IoResult ConnectionImpl::Read(char* buffer, std::size_t size) {
  if (phase_ != Phase::kOpen) return {};
  ERR_clear_error();
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), buffer, size, &got);
  if (result == 1) return {IoResult::Kind::kDone, got, false};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {IoResult::Kind::kWouldBlock, 0, false};
    case SSL_ERROR_WANT_WRITE:
      return {IoResult::Kind::kWouldBlock, 0, true};
    case SSL_ERROR_ZERO_RETURN:
      return {IoResult::Kind::kClosed, 0, false};
    default:
      why_ = TlsFailure();
      return {};
  }
}

IoResult ConnectionImpl::Write(absl::string_view bytes) {
  if (phase_ != Phase::kOpen) return {};
  if (bytes.empty()) return {IoResult::Kind::kDone, 0, false};
  ERR_clear_error();
  std::size_t sent = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (result == 1) return {IoResult::Kind::kDone, sent, false};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_WRITE:
      return {IoResult::Kind::kWouldBlock, 0, true};
    case SSL_ERROR_WANT_READ:
      return {IoResult::Kind::kWouldBlock, 0, false};
    default:
      why_ = TlsFailure();
      return {};
  }
}

void ConnectionImpl::CloseWrite() {
  if (phase_ != Phase::kOpen) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace twi::atls
