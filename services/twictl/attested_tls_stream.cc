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

bool WriteAll(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AttestedTlsStream>> AttestedTlsStream::Open(atls::Endpoint& endpoint, int socket,
                                                                           const Clock& clock) {
  std::unique_ptr<AttestedTlsStream> stream(new AttestedTlsStream(socket, clock));
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
    poll(waits, 2, static_cast<int>(std::clamp<std::int64_t>(left, 1, 1000)));
    std::uint64_t count = 0;
    if (read(event->fd, &count, sizeof(count)) < 0) continue;  // nobody has called
  }
}

AttestedTlsStream::~AttestedTlsStream() {
  connection_.reset();
  close(socket_);
}

void AttestedTlsStream::Close() { connection_->CloseWrite(); }

absl::Status AttestedTlsStream::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const atls::IoResult result = connection_->Write(bytes);
    if (result.kind == Kind::kFailed || result.kind == Kind::kClosed) return Broken("the peer takes no more");
    if (result.kind == Kind::kDone) {
      bytes.remove_prefix(result.bytes);
      continue;
    }
    pollfd wait{socket_, static_cast<short>(result.want_write ? POLLOUT : POLLIN), 0};
    poll(&wait, 1, -1);
  }
  return absl::OkStatus();
}

absl::Status AttestedTlsStream::Carry(int input, int output) {
  char buffer[16384];
  bool input_open = input >= 0, peer_open = true;
  while (peer_open) {
    for (;;) {
      const atls::IoResult result = connection_->Read(buffer, sizeof(buffer));
      if (result.kind == Kind::kFailed) return Broken("the connection broke off");
      if (result.kind == Kind::kClosed) peer_open = false;
      if (result.kind != Kind::kDone) break;
      if (!WriteAll(output, buffer, result.bytes)) return Broken("cannot write what the peer sends");
    }
    if (!peer_open) break;
    pollfd waits[] = {{socket_, POLLIN, 0}, {input_open ? input : -1, POLLIN, 0}};
    poll(waits, 2, -1);
    if (input_open && waits[1].revents != 0) {
      const ssize_t got = read(input, buffer, sizeof(buffer));
      if (got > 0) {
        const absl::Status written = Write(absl::string_view(buffer, static_cast<std::size_t>(got)));
        if (!written.ok()) return written;
      } else if (got == 0 || errno != EINTR) {
        input_open = false;
        connection_->CloseWrite();
      }
    }
  }
  connection_->CloseWrite();
  return absl::OkStatus();
}

}  // namespace twi::twictl
