// After Finished. Profile session: the exchange in which each challenged side returns Evidence that is bound to this
// connection. Profile handshake: only the server's verdict on a client that it challenged.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/connection.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/err.h"

namespace twi::atls {
namespace {

absl::Status BadFrame(absl::string_view detail) { return Deny(v1::DENY_REASON_ATTESTED_TLS_FRAME_INVALID, detail); }

}  // namespace

void ConnectionImpl::StartExchange() {
  phase_ = Phase::kExchange;
  if (profile_ == Profile::kSession) return;
  challenge_sent_ = challenge_seen_ = evidence_seen_ = true;  // all of it was in the handshake
  if (IsClient()) {
    accepted_sent_ = true;
    accepted_seen_ = !their_challenge_.has_value();
    return;
  }
  accepted_seen_ = true;
  accepted_sent_ = self() == nullptr;
  if (self() == nullptr) return;
  const absl::Status started = StartAppraisal(
      {profile_, PeerRole(), peer_leaf_->spki, "", "", peer_leaf_->kat->media_type, peer_leaf_->kat->value});
  if (!started.ok()) Fail(started);
}

ConnectionImpl::Step ConnectionImpl::Exchange() {
  absl::Status done = Produce();
  if (done.ok()) done = Flush();
  if (done.ok()) done = ReadFrames();
  if (done.ok()) done = Produce();  // what was read may have been waited for
  if (done.ok()) done = Flush();
  if (!done.ok()) {
    Fail(done);
    return Step::kAgain;
  }
  if (accepted_sent_ && accepted_seen_ && !evidence_due_ && out_.empty()) {
    phase_ = Phase::kOpen;
    deadline_ = absl::InfiniteFuture();
    frames_.Release();  // Evidence may have been in both: an open connection may live for days
    std::string().swap(out_);
    return Step::kAgain;
  }
  return Step::kWait;
}

// RFC 8446 section 7.5. Before Finished a server could take it without knowing who is there.
absl::StatusOr<std::string> ConnectionImpl::Exporter() {
  std::string exporter(kExporterSize, '\0');
  if (SSL_is_init_finished(ssl_.get()) != 1 ||
      SSL_export_keying_material(ssl_.get(), reinterpret_cast<unsigned char*>(exporter.data()), exporter.size(),
                                 kExporterLabel, sizeof(kExporterLabel) - 1, nullptr, 0, 0) != 1) {
    ERR_clear_error();
    return Deny(v1::DENY_REASON_INTERNAL, "no exporter: the handshake is not complete");
  }
  return exporter;
}

// Puts into out_ what can be said now.
absl::Status ConnectionImpl::Produce() {
  if (!challenge_sent_) {
    TWI_ASSIGN_OR_RETURN(const bool ready, SessionReady());
    if (ready && self() != nullptr) {
      out_ += WriteFrame(FrameType::kChallenge,
                         WriteChallenge({(*session_)->nonce, (*session_)->media_types, self()->rp_id}));
      challenge_sent_ = true;
    } else if (self() == nullptr) {  // an empty challenge: we demand nothing of the peer
      out_ += WriteFrame(FrameType::kChallenge, "") + WriteFrame(FrameType::kAccepted, "");
      challenge_sent_ = accepted_sent_ = true;
    }
  }
  if (evidence_job_ != nullptr && evidence_job_->ready()) {
    TWI_ASSIGN_OR_RETURN(const CmwRecord evidence, evidence_job_->Take());
    evidence_job_.reset();
    const std::vector<std::string>& accepted = their_challenge_->media_types;
    if (std::find(accepted.begin(), accepted.end(), evidence.media_type) == accepted.end())
      return Deny(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED,
                  absl::StrCat("our Evidence is ", evidence.media_type, ", which the peer's Verifier does not take"));
    if (evidence.value.size() > kMaxEvidence)
      return Deny(v1::DENY_REASON_ATTESTED_TLS_EVIDENCE_TOO_LARGE, "our Evidence is over 256 KiB");
    TWI_ASSIGN_OR_RETURN(const std::string exporter, Exporter());
    out_ += WriteFrame(FrameType::kEvidence,
                       WriteEvidence({settings().role, exporter, OwnKeySha256(),
                                      peer_leaf_.has_value() ? peer_leaf_->key_sha256 : std::string(32, '\0'),
                                      their_challenge_->nonce, evidence.media_type, evidence.value}));
    evidence_due_ = false;
  }
  if (appraisal_job_ != nullptr) {
    TWI_ASSIGN_OR_RETURN(const bool ready, AppraisalReady());
    if (ready) {
      out_ += WriteFrame(FrameType::kAccepted, "");
      accepted_sent_ = true;
    }
  }
  return absl::OkStatus();
}

absl::Status ConnectionImpl::Flush() {
  while (!out_.empty()) {
    BeginStep();
    std::size_t sent = 0;
    const int result = SSL_write_ex(ssl_.get(), out_.data(), out_.size(), &sent);
    if (result != 1) {
      const int error = SSL_get_error(ssl_.get(), result);
      if (error == SSL_ERROR_WANT_READ) return WaitToRead(), absl::OkStatus();
      if (error != SSL_ERROR_WANT_WRITE) return TlsFailure();
      want_write_ = true;
      return absl::OkStatus();
    }
    out_.erase(0, sent);
  }
  return absl::OkStatus();
}

bool ConnectionImpl::AwaitsFrame() const {
  return !challenge_seen_ || !accepted_seen_ || (self() != nullptr && !evidence_seen_);
}

// Takes exactly the bytes of the exchange: what follows the last frame is the application's. Ends for certain: a turn
// takes bytes of a frame, of which there are few, or a message that is no data out of what one call may read.
absl::Status ConnectionImpl::ReadFrames() {
  while (AwaitsFrame()) {
    char buffer[4096];
    std::size_t got = 0;
    BeginStep();
    const int result = SSL_read_ex(ssl_.get(), buffer, std::min(sizeof(buffer), frames_.Needs()), &got);
    if (result != 1) {
      const int error = SSL_get_error(ssl_.get(), result);
      if (error == SSL_ERROR_WANT_READ && !wire_->found_empty() && wire_->may_read()) continue;  // it was no data
      if (error == SSL_ERROR_WANT_READ) return WaitToRead(), absl::OkStatus();
      if (error == SSL_ERROR_WANT_WRITE) {
        want_write_ = true;
        return absl::OkStatus();
      }
      const absl::Status tls = TlsFailure();
      return error == SSL_ERROR_ZERO_RETURN ? BadFrame("the peer closed the connection within the exchange") : tls;
    }
    TWI_RETURN_IF_ERROR(frames_.Append(absl::string_view(buffer, got)));
    TWI_ASSIGN_OR_RETURN(const std::optional<Frame> frame, frames_.Next());
    if (frame.has_value()) TWI_RETURN_IF_ERROR(TakeFrame(*frame));
  }
  return absl::OkStatus();
}

absl::Status ConnectionImpl::TakeFrame(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kChallenge:
      return TakeChallenge(frame);
    case FrameType::kEvidence:
      return TakeEvidence(frame);
    case FrameType::kAccepted:
      if (!challenge_seen_ || accepted_seen_ || evidence_due_)
        return BadFrame("accepted before there was anything to accept");
      accepted_seen_ = true;
      return absl::OkStatus();
    case FrameType::kRefused:
      return Deny(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED, absl::StrCat("the peer says ", ReasonText(frame.body)));
  }
  return BadFrame("unknown frame");
}

absl::Status ConnectionImpl::TakeChallenge(const Frame& frame) {
  if (challenge_seen_) return BadFrame("a second challenge");
  challenge_seen_ = true;
  if (frame.body.empty()) return absl::OkStatus();
  absl::StatusOr<Challenge> challenge = ReadChallenge(frame.body);
  if (!challenge.ok()) return BadFrame(challenge.status().message());
  their_challenge_ = *std::move(challenge);
  evidence_due_ = true;
  if (settings().attester == nullptr)
    return Deny(v1::DENY_REASON_ATTESTER_FAILED, "challenged, but no attester is configured");
  TWI_ASSIGN_OR_RETURN(const std::string exporter, Exporter());
  const v1::Binding binding =
      MakeBinding(Profile::kSession, settings().role, their_challenge_->nonce, their_challenge_->relying_party,
                  {settings().attester->key_spki(), exporter,
                   peer_leaf_.has_value() ? peer_leaf_->key_sha256 : std::string(32, '\0')});
  const Deadline deadline = AttesterDeadline();
  evidence_job_ = RunPending<CmwRecord>(
      *settings().attester_workers, deadline,
      [attester = settings().attester, binding] { return attester->AttestKey(binding); }, wake_);
  return evidence_job_ == nullptr ? deadline.late : absl::OkStatus();
}

// First what the peer says that it attests, for the reason's name; then the appraisal, which does not depend on it.
absl::Status ConnectionImpl::TakeEvidence(const Frame& frame) {
  if (self() == nullptr || !challenge_sent_ || evidence_seen_) return BadFrame("Evidence that nobody asked for");
  evidence_seen_ = true;
  TWI_ASSIGN_OR_RETURN(EvidenceFrame e, ReadEvidence(frame.body));
  TWI_ASSIGN_OR_RETURN(std::string exporter, Exporter());
  if (e.role != PeerRole())
    return Deny(v1::DENY_REASON_ATTESTED_TLS_WRONG_ROLE, "Evidence of the other role: ours, sent back to us?");
  if (!ConstantTimeEqual(e.exporter, exporter))
    return Deny(v1::DENY_REASON_ATTESTED_TLS_WRONG_CONNECTION, "Evidence of another connection: relayed or replayed");
  if (e.own_key_sha256 != peer_leaf_->key_sha256)
    return Deny(v1::DENY_REASON_ATTESTED_TLS_WRONG_KEY, "Evidence of another key than the peer's leaf");
  if (e.peer_key_sha256 != OwnKeySha256())
    return Deny(v1::DENY_REASON_ATTESTED_TLS_WRONG_PEER_KEY, "Evidence made for another peer than us");
  if (e.nonce != (*session_)->nonce)
    return Deny(v1::DENY_REASON_ATTESTED_TLS_STALE_NONCE, "Evidence for another nonce than the challenge's");
  return StartAppraisal({profile_, PeerRole(), peer_leaf_->spki, std::move(exporter), OwnKeySha256(),
                         std::move(e.media_type), std::move(e.evidence)});
}

}  // namespace twi::atls
