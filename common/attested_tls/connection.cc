#include "common/attested_tls/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/err.h"

namespace twi::atls {
namespace {

// How long the peer may take to read why it was refused before the socket is closed under it.
constexpr absl::Duration kLinger = absl::Seconds(1);
// How often one call of ours reads from the socket; a record of TLS takes two.
constexpr int kReadsPerCall = 128;

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
  want_read_ = want_write_ = again_ = false;
  if (wire_ != nullptr) wire_->BeginCall(kReadsPerCall);
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
  return {Progress::State::kHandshaking, want_read_, want_write_, again_};
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
  wire_ = std::make_unique<SocketEnd>(socket_);
  wire_->BeginCall(kReadsPerCall);
  if (!IsClient()) wire_->GuardHello();
  UniqueSsl ssl(SSL_new(core_.ctx.get()));
  BIO* bio = ssl == nullptr ? nullptr : wire_->NewBio();
  if (bio == nullptr) return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL has no memory for a connection");
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_app_data(ssl.get(), this);
  IsClient() ? SSL_set_connect_state(ssl.get()) : SSL_set_accept_state(ssl.get());
  ssl_ = std::move(ssl);
  return absl::OkStatus();
}

ConnectionImpl::Step ConnectionImpl::Handshake() {
  BeginStep();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    HandshakeDone();
    return Step::kAgain;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return WaitToRead(), Step::kWait;
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
  if (wire_->hello_too_large()) {
    Fail(Deny(v1::DENY_REASON_REQUEST_TOO_LARGE,
              absl::StrCat("a ClientHello of more than ", kMaxClientHello, " bytes")));
  } else {
    Fail(refusal_.ok() ? tls : refusal_);
  }
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
  wire_->HandshakeDone();
  phase_ = Phase::kExchange;
  const absl::Status started = StartExchange();
  if (!started.ok()) Fail(started);
}

void ConnectionImpl::BeginStep() {
  ERR_clear_error();
  wire_->BeginStep();
}

void ConnectionImpl::WaitToRead() { (wire_->found_empty() ? want_read_ : again_) = true; }

Deadline ConnectionImpl::VerifierDeadline() const {
  return {core_.clock, std::min(deadline_, now_ + settings().appraisal_timeout), Busy("the Verifier")};
}

// A TPM makes one quote after the other, and takes its time: only the handshake's own end is too late.
Deadline ConnectionImpl::AttesterDeadline() const { return {core_.clock, deadline_, Busy("the attester")}; }

absl::StatusOr<bool> ConnectionImpl::SessionReady() {
  if (session_ != nullptr || self() == nullptr) return true;
  if (session_job_ == nullptr) {
    const Deadline deadline = VerifierDeadline();
    session_job_ = RunPending<std::shared_ptr<OpenSession>>(
        *settings().verifier_workers, deadline,
        [self = settings().relying_party, &workers = *settings().verifier_workers,
         until = deadline.time]() -> absl::StatusOr<std::shared_ptr<OpenSession>> {
          TWI_ASSIGN_OR_RETURN(VerifierSession session, self->verifier->NewSession(until));
          return std::make_shared<OpenSession>(std::move(session), self->verifier, workers);
        },
        wake_);
    if (session_job_ == nullptr) return deadline.late;
  }
  if (!session_job_->ready()) return false;
  TWI_ASSIGN_OR_RETURN(session_, session_job_->Take());
  session_job_.reset();
  const VerifierSession& session = **session_;
  if (session.nonce.size() < kMinNonce || session.nonce.size() > kMaxNonce || session.media_types.empty() ||
      session.media_types.size() > kMaxMediaTypes) {
    return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "the Verifier's session has no usable nonce or media types");
  }
  return true;
}

absl::Status ConnectionImpl::StartAppraisal(ReceivedEvidence received) {
  const Deadline deadline = VerifierDeadline();
  appraisal_job_ = RunPending<AttestedPeer>(
      *settings().verifier_workers, deadline,
      [self = settings().relying_party, session = session_, received = std::move(received), &clock = core_.clock,
       until = deadline.time] {
        session->Submitted();
        return AppraisePeer(*self, **session, received, clock, until);
      },
      wake_);
  return appraisal_job_ == nullptr ? deadline.late : absl::OkStatus();
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

// The peer learns the reason's name by a frame, when the handshake is done; before, an alert tells it that there is one
// (README, "Refusals"). The frame goes behind what is on its way: into the middle of another it would be that one's
// body. None goes behind our own `accepted`: the peer may be open, and would take it for the application's.
void ConnectionImpl::Fail(absl::Status why) {
  why_ = std::move(why);
  session_job_.reset();  // nobody waits for these any more
  leaf_job_.reset();
  evidence_job_.reset();
  appraisal_job_.reset();
  if (ssl_ == nullptr || SSL_is_init_finished(ssl_.get()) != 1 ||
      DenyReasonOf(why_) == v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED) {
    out_.clear();
  } else if (!accepted_sent_) {
    out_ += WriteRefused(DenyReasonName(DenyReasonOf(why_)));
  }
  deadline_ = now_ + kLinger;
  phase_ = Phase::kLingering;
}

// What is in out_, close_notify, and the end of the stream. False: the socket is full.
bool ConnectionImpl::SaidFarewell() {
  if (farewell_said_) return true;
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) == 1 && Flush().ok()) {
    if (!out_.empty()) return false;
    BeginStep();
    const int closed = SSL_shutdown(ssl_.get());
    if (closed < 0 && SSL_get_error(ssl_.get(), closed) == SSL_ERROR_WANT_WRITE) {
      want_write_ = true;
      return false;
    }
  }
  ERR_clear_error();
  shutdown(socket_, SHUT_WR);
  return farewell_said_ = true;
}

// Takes what the peer still sends, so that the kernel does not reset the connection before the reason is read.
ConnectionImpl::Step ConnectionImpl::Linger() {
  (void)SaidFarewell();  // if not, it is waited for
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

IoResult ConnectionImpl::Stopped(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {wire_->found_empty() ? IoResult::Kind::kWouldBlock : IoResult::Kind::kAgain, 0, false};
    case SSL_ERROR_WANT_WRITE:
      return {IoResult::Kind::kWouldBlock, 0, true};
    case SSL_ERROR_ZERO_RETURN:
      return {IoResult::Kind::kClosed, 0, false};
    default:
      why_ = TlsFailure();
      return {};
  }
}

IoResult ConnectionImpl::Read(char* buffer, std::size_t size) {
  if (phase_ != Phase::kOpen) return {};
  wire_->BeginCall(kReadsPerCall);
  BeginStep();
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), buffer, size, &got);
  return result == 1 ? IoResult{IoResult::Kind::kDone, got, false} : Stopped(result);
}

IoResult ConnectionImpl::Write(absl::string_view bytes) {
  if (phase_ != Phase::kOpen) return {};
  if (bytes.empty()) return {IoResult::Kind::kDone, 0, false};
  wire_->BeginCall(kReadsPerCall);
  BeginStep();
  std::size_t sent = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  return result == 1 ? IoResult{IoResult::Kind::kDone, sent, false} : Stopped(result);
}

// Once it is sent, SSL_shutdown is not called again: it would read.
IoResult ConnectionImpl::CloseWrite() {
  if (phase_ != Phase::kOpen) return {};
  if (close_sent_) return {IoResult::Kind::kDone, 0, false};
  wire_->BeginCall(kReadsPerCall);
  BeginStep();
  const int result = SSL_shutdown(ssl_.get());
  if (result < 0) return Stopped(result);
  close_sent_ = true;
  return {IoResult::Kind::kDone, 0, false};
}

}  // namespace twi::atls
