#include "services/twictl/attested_tls_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "common/status/deny.h"

namespace twi::twictl {
namespace {

using Kind = atls::IoResult::Kind;

struct Event {
  Event() : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~Event() { close(fd); }
  const int fd;
};

absl::Status Broken(absl::string_view what) { return Deny(v1::DENY_REASON_ATTESTED_TLS_HANDSHAKE_FAILED, what); }

// poll(2) says that a pipe takes this much without blocking (pipe(7), PIPE_BUF).
constexpr std::size_t kAtOnce = 4096;

pollfd WaitFor(int fd, bool wanted, short events) { return {wanted ? fd : -1, events, 0}; }

}  // namespace

absl::StatusOr<std::unique_ptr<AttestedTlsStream>> AttestedTlsStream::Open(atls::Endpoint& endpoint, int socket,
                                                                           const Clock& clock) {
  std::unique_ptr<AttestedTlsStream> stream(new AttestedTlsStream(socket));
  auto event = std::make_shared<Event>();
  const auto wake = [event] {
    const std::uint64_t one = 1;
    if (write(event->fd, &one, sizeof(one)) < 0) return;  // full: it is signalled already
  };
  auto connection = endpoint.Open(socket, wake, clock.Now());
  if (!connection.ok()) return connection.status();
  stream->connection_ = *std::move(connection);
  for (;;) {
    const atls::Progress progress = stream->connection_->Advance(clock.Now());
    if (progress.state == atls::Progress::State::kOpen) return stream;
    if (progress.state == atls::Progress::State::kClosed) return stream->connection_->why();
    pollfd waits[] = {{event->fd, POLLIN, 0},
                      {progress.want_read || progress.want_write ? socket : -1,
                       static_cast<short>((progress.want_read ? POLLIN : 0) | (progress.want_write ? POLLOUT : 0)), 0}};
    const std::int64_t left = absl::ToInt64Milliseconds(stream->connection_->deadline() - clock.Now());
    poll(waits, 2, progress.again ? 0 : static_cast<int>(std::clamp<std::int64_t>(left, 1, 1000)));
    std::uint64_t count = 0;
    if (read(event->fd, &count, sizeof(count)) < 0) continue;  // nobody has called
  }
}

AttestedTlsStream::~AttestedTlsStream() {
  connection_.reset();
  close(socket_);
}

void AttestedTlsStream::Close() {
  for (int i = 0; i < 10; ++i) {
    const atls::IoResult result = connection_->CloseWrite();
    if (result.kind != Kind::kWouldBlock && result.kind != Kind::kAgain) return;
    pollfd wait{socket_, static_cast<short>(result.want_write ? POLLOUT : POLLIN), 0};
    poll(&wait, 1, result.kind == Kind::kAgain ? 0 : 100);
  }
}

// What TLS stopped for: false when the connection has broken off.
bool AttestedTlsStream::Carried::Stopped(const atls::IoResult& result) {
  again |= result.kind == Kind::kAgain;
  if (result.kind == Kind::kWouldBlock) socket_events |= result.want_write ? POLLOUT : POLLIN;
  return result.kind == Kind::kAgain || result.kind == Kind::kWouldBlock;
}

// What nobody takes any more is dropped: the peer has ended, and its socket is gone.
void AttestedTlsStream::Carried::PeerIsGone() {
  input_open = false;
  closed = true;
  to_peer.clear();
}

absl::Status AttestedTlsStream::CarryFromPeer(Carried& c) {
  if (!c.peer_open || !c.to_output.empty()) return absl::OkStatus();
  char buffer[16384];
  const atls::IoResult result = connection_->Read(buffer, sizeof(buffer));
  if (result.kind == Kind::kDone) {
    c.to_output.assign(buffer, result.bytes);
    c.again = true;
  } else if (result.kind == Kind::kClosed) {
    c.peer_open = false;
    c.again = true;
  } else if (!c.Stopped(result)) {
    return Broken("the connection broke off");
  }
  return absl::OkStatus();
}

absl::Status AttestedTlsStream::CarryToPeer(Carried& c) {
  if (c.to_peer.empty() && (c.input_open || c.closed)) return absl::OkStatus();
  const bool closing = c.to_peer.empty();
  const atls::IoResult result = closing ? connection_->CloseWrite() : connection_->Write(c.to_peer);
  if (result.kind == Kind::kDone) {
    c.to_peer.erase(0, result.bytes);
    c.closed = closing;
    c.again = true;
  } else if (!c.Stopped(result)) {
    if (c.peer_open) return Broken("the peer takes no more");
    c.PeerIsGone();
  }
  return absl::OkStatus();
}

absl::Status AttestedTlsStream::Carry(int input, int output) {
  Carried c;
  c.input_open = input >= 0;
  while (c.input_open || !c.closed || c.peer_open || !c.to_output.empty()) {
    c.again = false;
    c.socket_events = 0;
    absl::Status carried = CarryFromPeer(c);
    if (carried.ok()) carried = CarryToPeer(c);
    if (!carried.ok()) return carried;
    // That the peer goes away is for Read to tell; after its close_notify, only the socket can.
    if (!c.peer_open && (c.input_open || !c.closed)) c.socket_events |= POLLRDHUP;
    pollfd waits[] = {WaitFor(socket_, c.socket_events != 0, c.socket_events),
                      WaitFor(input, c.input_open && c.to_peer.empty(), POLLIN),
                      WaitFor(output, !c.to_output.empty(), POLLOUT)};
    poll(waits, 3, c.again ? 0 : -1);
    if (!c.peer_open && (waits[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) c.PeerIsGone();
    if (waits[1].revents != 0) {
      char buffer[16384];
      const ssize_t got = read(input, buffer, sizeof(buffer));
      if (got > 0) c.to_peer.assign(buffer, static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) c.input_open = false;
    }
    if (waits[2].revents != 0) {
      const ssize_t written = write(output, c.to_output.data(), std::min(c.to_output.size(), kAtOnce));
      if (written < 0 && errno != EINTR) return Broken("cannot write what the peer sends");
      if (written > 0) c.to_output.erase(0, static_cast<std::size_t>(written));
    }
  }
  return absl::OkStatus();
}

}  // namespace twi::twictl
