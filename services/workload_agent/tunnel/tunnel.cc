#include "services/workload_agent/tunnel/tunnel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"

namespace twi::agent {
namespace {

constexpr std::size_t kChunk = 32 * 1024;
constexpr int kTurns = 16;  // chunks per Step and direction, so that one busy tunnel does not keep the others waiting

using Kind = atls::IoResult::Kind;

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

Tunnel::Tunnel(std::shared_ptr<const Route> route, int accepted, std::function<void()> wake, absl::Time now)
    : route_(std::move(route)), wake_(std::move(wake)), started_(now), last_byte_(now) {
  if (route_->ingress) {
    tls_fd_ = accepted;
    OpenConnection(now);
    return;
  }
  plain_fd_ = accepted;
  connecting_ = atls::RunPending<std::shared_ptr<OwnedSocket>>(
      *route_->connect_workers,
      [connect = route_->connect, limit = route_->handshake_timeout] { return ConnectHostPort(connect, limit); },
      wake_);
  if (connecting_ == nullptr) Refused(Deny(v1::DENY_REASON_OVERLOADED, "too much waits to be connected"), now);
}

Tunnel::~Tunnel() { CloseSockets(); }

void Tunnel::CloseSockets() {
  connection_.reset();
  for (int* fd : {&tls_fd_, &plain_fd_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

absl::Time Tunnel::deadline() const {
  if (over_ || again_) return absl::InfinitePast();
  if (open_) return last_byte_ + route_->idle_timeout;
  return connection_ == nullptr ? started_ + route_->handshake_timeout : connection_->deadline();
}

void Tunnel::OpenConnection(absl::Time now) {
  auto connection = route_->endpoint->Open(tls_fd_, wake_, started_);
  if (!connection.ok()) return Refused(connection.status(), now);
  connection_ = *std::move(connection);
}

// Egress: from the name to a socket. True when there is one.
bool Tunnel::Connected(absl::Time now) {
  if (connecting_ == nullptr) return true;
  if (!connecting_->ready()) {
    if (now >= started_ + route_->handshake_timeout)
      Refused(Deny(v1::DENY_REASON_ATTESTED_TLS_TIMEOUT, "the peer was not reached in time"), now);
    return false;
  }
  const absl::StatusOr<std::shared_ptr<OwnedSocket>> socket = connecting_->Take();
  connecting_.reset();
  if (!socket.ok()) return Refused(socket.status(), now), false;
  tls_fd_ = (*socket)->Release();
  OpenConnection(now);
  return !over_;
}

void Tunnel::Step(absl::Time now) {
  again_ = false;
  tls_interest_ = plain_interest_ = {};
  if (over_ || !Connected(now)) return;
  if (!open_) Shake(now);
  if (open_ && !over_) Carry(now);
}

void Tunnel::Shake(absl::Time now) {
  const atls::Progress progress = connection_->Advance(now);
  switch (progress.state) {
    case atls::Progress::State::kHandshaking:
      tls_interest_ = {tls_fd_, progress.want_read, progress.want_write};
      return;
    case atls::Progress::State::kClosed:
      return Refused(connection_->why(), now);
    case atls::Progress::State::kOpen:
      return Opened(now);
  }
}

void Tunnel::Opened(absl::Time now) {
  namespace f = log::fields;
  const atls::AttestedPeer* peer = connection_->peer();
  log::Audit("attested_tls_opened",
             {{"tunnel", route_->name},
              {"profile", connection_->profile() == atls::Profile::kSession ? "session" : "handshake"},
              {f::kResultsId, peer == nullptr ? "" : peer->results.jti},
              {f::kWorkloadIdentifier, peer == nullptr ? "" : peer->workload_identifier},
              {"peer_key_sha256", peer == nullptr ? "" : ToHex(peer->key_sha256)}});
  route_->outcomes->Count(v1::DENY_REASON_UNSPECIFIED, now - started_);
  if (route_->ingress) plain_fd_ = StartConnect(route_->forward);
  if (plain_fd_ < 0) {
    log::Error("attested_tls_workload_unreachable", {{"tunnel", route_->name}});
    connection_->CloseWrite();
    over_ = true;
    return;
  }
  open_ = true;
  last_byte_ = now;
}

void Tunnel::Refused(const absl::Status& why, absl::Time now) {
  const DenyReason reason = DenyReasonOf(why);
  log::Audit("attested_tls_refused", {{"tunnel", route_->name},
                                      {log::fields::kReason, DenyReasonName(reason)},
                                      {log::fields::kDetail, std::string(why.message())}});
  route_->outcomes->Count(reason, now - started_);
  over_ = true;
}

void Tunnel::Carry(absl::Time now) {
  if (now >= last_byte_ + route_->idle_timeout) {
    log::Info("attested_tls_idle", {{"tunnel", route_->name}});
    connection_->CloseWrite();
    over_ = true;
    return;
  }
  tls_interest_.fd = tls_fd_;
  plain_interest_.fd = plain_fd_;
  bool moved = true;
  for (int turn = 0; turn < kTurns && moved && !over_; ++turn) {
    tls_interest_.read = tls_interest_.write = plain_interest_.read = plain_interest_.write = false;
    const bool out = CarryOut();
    const bool in = !over_ && CarryIn();
    moved = out || in;
    if (moved) last_byte_ = now;
  }
  again_ = moved && !over_;
  if (tls_closed_ && plain_closed_) over_ = true;
}

bool Tunnel::CarryOut() {
  bool moved = false;
  if (out_.empty() && !plain_eof_) {
    out_.bytes.resize(kChunk);
    out_.begin = 0;
    const ssize_t got = recv(plain_fd_, out_.bytes.data(), out_.bytes.size(), 0);
    out_.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got > 0) moved = true;
    if (got == 0) plain_eof_ = moved = true;
    if (got < 0 && WouldBlock(errno)) plain_interest_.read = true;
    if (got < 0 && !WouldBlock(errno)) over_ = true;
  }
  if (!out_.empty()) {
    const atls::IoResult result = connection_->Write(out_.view());
    if (result.kind == Kind::kDone) {
      out_.begin += result.bytes;
      moved = true;
    } else if (result.kind == Kind::kWouldBlock) {
      (result.want_write ? tls_interest_.write : tls_interest_.read) = true;
    } else {
      over_ = true;
    }
  }
  if (plain_eof_ && out_.empty() && !tls_closed_) {
    connection_->CloseWrite();
    tls_closed_ = true;
  }
  return moved;
}

bool Tunnel::CarryIn() {
  bool moved = false;
  if (in_.empty() && !tls_eof_) {
    in_.bytes.resize(kChunk);
    in_.begin = 0;
    const atls::IoResult result = connection_->Read(in_.bytes.data(), in_.bytes.size());
    in_.bytes.resize(result.kind == Kind::kDone ? result.bytes : 0);
    if (result.kind == Kind::kDone) moved = true;
    if (result.kind == Kind::kClosed) tls_eof_ = moved = true;
    if (result.kind == Kind::kWouldBlock) (result.want_write ? tls_interest_.write : tls_interest_.read) = true;
    if (result.kind == Kind::kFailed) over_ = true;  // without close_notify: a truncation is not an end
  }
  if (!in_.empty()) {
    const absl::string_view bytes = in_.view();
    const ssize_t sent = send(plain_fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      in_.begin += static_cast<std::size_t>(sent);
      moved = true;
    } else if (WouldBlock(errno)) {
      plain_interest_.write = true;
    } else {
      over_ = true;
    }
  }
  if (tls_eof_ && in_.empty() && !plain_closed_) {
    shutdown(plain_fd_, SHUT_WR);
    plain_closed_ = true;
  }
  return moved;
}

}  // namespace twi::agent
