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

absl::Status ConnectionImpl::StartExchange() {
  if (profile_ == Profile::kHandshake) {  // all of it was in the handshake, but for the server's verdict on a client
    challenge_sent_ = challenge_seen_ = evidence_seen_ = true;
    accepted_sent_ = IsClient() || self() == nullptr;
    accepted_seen_ = !IsClient() || !their_challenge_.has_value();
  }
  TWI_RETURN_IF_ERROR(CheckHandshake());
  if (profile_ == Profile::kSession || accepted_sent_) return absl::OkStatus();
  return StartAppraisal(
      {profile_, PeerRole(), peer_leaf_->spki, "", "", peer_leaf_->kat->media_type, peer_leaf_->kat->value});
}

// Reads first: a peer that has gone meanwhile is not accepted any more.
ConnectionImpl::Step ConnectionImpl::Exchange() {
  absl::Status done = ReadFrames();
  if (done.ok()) done = Produce();
  if (done.ok()) done = Flush();
  if (done.ok()) done = Accept();
  if (!done.ok()) {
    Fail(done);
    return Step::kAgain;
  }
  if (!Exchanged()) return Step::kWait;
  phase_ = Phase::kOpen;
  deadline_ = absl::InfiniteFuture();
  std::string().swap(out_);  // our Evidence was in it: an open connection may live for days
  return Step::kAgain;
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
  TWI_RETURN_IF_ERROR(ProduceChallenge());
  TWI_RETURN_IF_ERROR(ProduceEvidence());
  return appraisal_job_ == nullptr ? absl::OkStatus() : AppraisalReady().status();
}

absl::Status ConnectionImpl::ProduceChallenge() {
  if (challenge_sent_) return absl::OkStatus();
  TWI_ASSIGN_OR_RETURN(challenge_sent_, SessionReady());
  if (!challenge_sent_) return absl::OkStatus();
  out_ += WriteFrame(FrameType::kChallenge,
                     self() == nullptr  // an empty one: we demand nothing of the peer
                         ? ""
                         : WriteChallenge({(*session_)->nonce, (*session_)->media_types, self()->rp_id}));
  return absl::OkStatus();
}

// Behind our challenge, which may take longer: the Verifier is asked for it.
absl::Status ConnectionImpl::ProduceEvidence() {
  if (!challenge_sent_ || evidence_job_ == nullptr || !evidence_job_->ready()) return absl::OkStatus();
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
  return absl::OkStatus();
}

// Our last frame, when all else of ours is on the wire: until then we may still have to refuse, and the peer needs the
// reason.
absl::Status ConnectionImpl::Accept() {
  const bool satisfied = self() == nullptr || peer_.has_value();
  if (accepted_sent_ || !satisfied || !challenge_seen_ || evidence_due_ || !out_.empty()) return absl::OkStatus();
  out_ = WriteFrame(FrameType::kAccepted, "");
  accepted_sent_ = true;
  return Flush();
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

// Takes exactly the bytes of the exchange: what follows the last frame is the application's. A peer that said all it
// has to say is still looked at, until it has our `accepted`: it may go away, and must not speak. Ends for certain: a
// turn takes bytes of a frame, of which there are few, or a message that is no data out of what one call may read.
absl::Status ConnectionImpl::ReadFrames() {
  while (!Exchanged()) {
    char buffer[4096];
    std::size_t got = 0;
    BeginStep();
    const int result = SSL_read_ex(ssl_.get(), buffer, std::min(sizeof(buffer), frames_.Needs()), &got);
    if (result != 1) {
      const int error = SSL_get_error(ssl_.get(), result);
      if (error == SSL_ERROR_WANT_READ && !wire_->found_empty() && wire_->may_read()) continue;  // it was no data
      if (error == SSL_ERROR_WANT_READ) return WaitToRead(), absl::OkStatus();
      if (error != SSL_ERROR_WANT_WRITE) return TlsFailure();
      want_write_ = true;
      return absl::OkStatus();
    }
    TWI_RETURN_IF_ERROR(frames_.Append(absl::string_view(buffer, got)));
    TWI_RETURN_IF_ERROR(CheckDue(*frames_.type()));  // by its first bytes: nobody makes us keep what we do not want
    TWI_ASSIGN_OR_RETURN(const std::optional<Frame> frame, frames_.Next());
    if (frame.has_value()) TWI_RETURN_IF_ERROR(TakeFrame(*frame));
  }
  return absl::OkStatus();
}

absl::Status ConnectionImpl::CheckDue(FrameType type) const {
  const bool evidence_awaited = self() != nullptr && !evidence_seen_;
  switch (type) {
    case FrameType::kChallenge:
      return challenge_seen_ ? BadFrame("a second challenge") : absl::OkStatus();
    case FrameType::kEvidence:
      return challenge_seen_ && challenge_sent_ && evidence_awaited ? absl::OkStatus()
                                                                    : BadFrame("Evidence that nobody asked for");
    case FrameType::kAccepted:
      return challenge_seen_ && !evidence_due_ && !evidence_awaited && !accepted_seen_
                 ? absl::OkStatus()
                 : BadFrame("accepted, which is the last frame, too early or twice");
    case FrameType::kRefused:
      return absl::OkStatus();
  }
  return BadFrame("unknown frame");
}

absl::Status ConnectionImpl::TakeFrame(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kChallenge:
      return TakeChallenge(frame);
    case FrameType::kEvidence:
      return TakeEvidence(frame);
    case FrameType::kAccepted:
      accepted_seen_ = true;
      return absl::OkStatus();
    case FrameType::kRefused:
      return Deny(v1::DENY_REASON_ATTESTED_TLS_PEER_REFUSED, absl::StrCat("the peer says ", ReasonText(frame.body)));
  }
  return BadFrame("unknown frame");
}

absl::Status ConnectionImpl::TakeChallenge(const Frame& frame) {
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
