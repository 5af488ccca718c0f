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

absl::Status Unreachable(absl::string_view whom) {
  return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, absl::StrCat(whom, " does not answer"));
}

}  // namespace

Tunnel::Tunnel(std::shared_ptr<const Route> route, int accepted, std::function<void()> wake, absl::Time now)
    : route_(std::move(route)), wake_(std::move(wake)), started_(now), last_byte_(now) {
  if (route_->ingress) {
    tls_fd_ = accepted;
    OpenConnection(now);
    return;
  }
  plain_fd_ = accepted;
  StartResolving(now);
}

Tunnel::~Tunnel() {
  CloseTls();
  if (plain_fd_ >= 0) close(plain_fd_);
}

void Tunnel::CloseTls() {
  connection_.reset();
  if (tls_fd_ >= 0) close(tls_fd_);
  tls_fd_ = -1;
}

absl::Time Tunnel::deadline() const {
  if (again_) return absl::InfinitePast();
  switch (state_) {
    case State::kResolving:
    case State::kReaching:
      return handshake_end();
    case State::kConnecting:
      return next_address_;
    case State::kShaking:
      return connection_->deadline();
    case State::kCarrying:
      return last_byte_ + route_->idle_timeout;
    case State::kOver:
      break;
  }
  return absl::InfinitePast();
}

void Tunnel::Step(absl::Time now) {
  again_ = false;
  tls_interest_.fd = plain_interest_.fd = -1;
  tls_interest_.read = tls_interest_.write = plain_interest_.read = plain_interest_.write = false;
  if (state_ == State::kResolving) Resolve(now);
  if (state_ == State::kConnecting) Connect(now);
  if (state_ == State::kShaking) Shake(now);
  if (state_ == State::kReaching) ReachWorkload(now);
  if (state_ == State::kCarrying) Carry(now);
}

// --- egress: from the name to a socket

void Tunnel::StartResolving(absl::Time now) {
  state_ = State::kResolving;
  addresses_ = route_->peers;
  if (!addresses_.empty()) return;  // numeric
  const absl::Status late = Deny(v1::DENY_REASON_OVERLOADED, "too much waits to be resolved");
  resolving_ = atls::RunPending<std::vector<Address>>(
      *route_->resolve_workers, {*route_->clock, handshake_end(), late},
      [resolve = route_->resolve, name = route_->connect] { return resolve(name); }, wake_);
  if (resolving_ == nullptr) Refuse(late, now);
}

void Tunnel::Resolve(absl::Time now) {
  if (resolving_ != nullptr && !resolving_->ready()) {
    if (now >= handshake_end()) Refuse(Unreachable(absl::StrCat("the resolver of ", route_->connect)), now);
    return;
  }
  if (resolving_ != nullptr) {
    absl::StatusOr<std::vector<Address>> resolved = resolving_->Take();
    resolving_.reset();
    if (!resolved.ok()) return Refuse(resolved.status(), now);
    addresses_ = *std::move(resolved);
  }
  std::reverse(addresses_.begin(), addresses_.end());
  next_address_ = now;  // there is none yet that could have the time
  state_ = State::kConnecting;
}

// One address after the other, each for its share of the time that is left.
void Tunnel::Connect(absl::Time now) {
  for (;;) {
    const Connecting connecting = tls_fd_ >= 0 ? ConnectingOf(tls_fd_) : Connecting::kFailed;
    if (connecting == Connecting::kDone) return OpenConnection(now);
    if (connecting == Connecting::kPending && now < next_address_) {
      tls_interest_.fd = tls_fd_;
      tls_interest_.write = true;
      return;
    }
    if (!TryNextAddress(now)) return Refuse(Unreachable(route_->connect), now);
  }
}

bool Tunnel::TryNextAddress(absl::Time now) {
  CloseTls();
  while (!addresses_.empty() && now < handshake_end() && tls_fd_ < 0) {
    next_address_ = now + (handshake_end() - now) / static_cast<std::int64_t>(addresses_.size());
    tls_fd_ = StartConnect(addresses_.back());
    addresses_.pop_back();
    ++tls_interest_.socket;
  }
  return tls_fd_ >= 0;
}

// --- attested TLS

void Tunnel::OpenConnection(absl::Time now) {
  std::vector<Address>().swap(addresses_);
  auto connection = route_->endpoint->Open(tls_fd_, wake_, started_);
  if (!connection.ok()) return Refuse(connection.status(), now);
  connection_ = *std::move(connection);
  state_ = State::kShaking;
}

void Tunnel::Shake(absl::Time now) {
  const atls::Progress progress = connection_->Advance(now);
  switch (progress.state) {
    case atls::Progress::State::kHandshaking:
      tls_interest_.fd = tls_fd_;
      tls_interest_.read = progress.want_read;
      tls_interest_.write = progress.want_write;
      again_ = progress.again;
      return;
    case atls::Progress::State::kClosed:
      return Refuse(connection_->why(), now);
    case atls::Progress::State::kOpen:
      break;
  }
  if (!route_->ingress) return Open(now);
  plain_fd_ = StartConnect(route_->forward);
  state_ = State::kReaching;
}

// --- ingress: the workload

void Tunnel::ReachWorkload(absl::Time now) {
  const Connecting connecting = plain_fd_ >= 0 ? ConnectingOf(plain_fd_) : Connecting::kFailed;
  if (connecting == Connecting::kDone) return Open(now);
  if (connecting == Connecting::kPending && now < handshake_end()) {
    plain_interest_.fd = plain_fd_;
    plain_interest_.write = true;
    return;
  }
  (void)connection_->CloseWrite();  // the socket is closed in any case
  Refuse(Unreachable("the workload"), now);
}

void Tunnel::Open(absl::Time now) {
  namespace f = log::fields;
  const atls::AttestedPeer* peer = connection_->peer();
  log::Audit("attested_tls_opened", {{"tunnel", route_->name},
                                     {"profile", ProfileName(connection_->profile())},
                                     {f::kResultsId, peer == nullptr ? "" : peer->results.jti},
                                     {f::kWorkloadIdentifier, peer == nullptr ? "" : peer->workload_identifier},
                                     {"peer_key_sha256", peer == nullptr ? "" : ToHex(peer->key_sha256)}});
  route_->outcomes->Count(v1::DENY_REASON_UNSPECIFIED, now - started_);
  last_byte_ = now;
  state_ = State::kCarrying;
}

void Tunnel::Refuse(const absl::Status& why, absl::Time now) {
  const DenyReason reason = DenyReasonOf(why);
  log::Audit("attested_tls_refused", {{"tunnel", route_->name},
                                      {log::fields::kReason, DenyReasonName(reason)},
                                      {log::fields::kDetail, std::string(why.message())}});
  route_->outcomes->Count(reason, now - started_);
  state_ = State::kOver;
}

// --- both: the bytes

void Tunnel::Carry(absl::Time now) {
  if (now >= last_byte_ + route_->idle_timeout) {
    log::Info("attested_tls_idle", {{"tunnel", route_->name}});
    (void)connection_->CloseWrite();  // the socket is closed in any case
    state_ = State::kOver;
    return;
  }
  tls_interest_.fd = tls_fd_;
  plain_interest_.fd = plain_fd_;
  again_ = true;
  for (int turn = 0; turn < kTurns && again_ && !over(); ++turn) {
    again_ = false;
    tls_interest_.read = tls_interest_.write = plain_interest_.read = plain_interest_.write = false;
    const bool out = CarryOut();
    const bool in = !over() && CarryIn();
    if (out || in) {
      last_byte_ = now;
      again_ = true;
    }
  }
  if (tls_closed_ && plain_closed_) state_ = State::kOver;
}

void Tunnel::Wait(const atls::IoResult& result) {
  if (result.kind == Kind::kAgain) {
    again_ = true;
  } else if (result.kind == Kind::kWouldBlock) {
    (result.want_write ? tls_interest_.write : tls_interest_.read) = true;
  } else {
    state_ = State::kOver;
  }
}

bool Tunnel::CarryOut() {
  bool moved = false;
  if (out_.empty() && !plain_eof_) {
    out_.bytes.resize(kChunk);
    out_.begin = 0;
    const ssize_t got = recv(plain_fd_, out_.bytes.data(), out_.bytes.size(), 0);
    const int error = errno;
    out_.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (got > 0) moved = true;
    if (got == 0) plain_eof_ = moved = true;
    if (got < 0 && WouldBlock(error)) plain_interest_.read = true;
    if (got < 0 && !WouldBlock(error)) state_ = State::kOver;
  }
  if (!out_.empty()) {
    const atls::IoResult result = connection_->Write(out_.view());
    out_.begin += result.bytes;
    if (result.kind == Kind::kDone) {
      moved = true;
    } else {
      Wait(result);
    }
  }
  if (plain_eof_ && out_.empty() && !tls_closed_) {
    const atls::IoResult result = connection_->CloseWrite();
    if (result.kind == Kind::kDone) {
      tls_closed_ = moved = true;
    } else {
      Wait(result);
    }
  }
  return moved;
}

bool Tunnel::CarryIn() {
  bool moved = false;
  if (in_.empty() && !tls_eof_) {
    in_.bytes.resize(kChunk);
    in_.begin = 0;
    const atls::IoResult result = connection_->Read(in_.bytes.data(), in_.bytes.size());
    in_.bytes.resize(result.bytes);
    if (result.kind == Kind::kDone) {
      moved = true;
    } else if (result.kind == Kind::kClosed) {
      tls_eof_ = moved = true;
    } else {
      Wait(result);  // kFailed: without close_notify a truncation is not an end
    }
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
      state_ = State::kOver;
    }
  }
  if (tls_eof_ && in_.empty() && !plain_closed_) {
    shutdown(plain_fd_, SHUT_WR);
    plain_closed_ = true;
  }
  return moved;
}

}  // namespace twi::agent
