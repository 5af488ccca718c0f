#include "services/workload_agent/tpm_tcti.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

constexpr std::uint64_t kMagic = 0x74776974706d0001;  // "twitpm", 1
constexpr std::size_t kHeader = 10;                   // tag, size, code

absl::Status Failed(absl::string_view what, int error) {
  return Deny(v1::DENY_REASON_ATTESTER_FAILED, absl::StrCat("TPM: ", what, ": ", std::strerror(error)));
}

// True when `fd` is ready, false at the deadline.
bool Await(int fd, short events, TpmDeadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd ready{fd, events, 0};
    const int n = ::poll(&ready, 1, static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX)));
    if (n > 0) return true;
    if (n == 0 && left <= 0) return false;
    if (n < 0 && errno != EINTR) return true;  // the read or write that follows says what it is
  }
}

struct Channel {
  TSS2_TCTI_CONTEXT_COMMON_V1 common;  // first: it is what ESYS is given
  int fd;
  bool is_socket;
  TpmDeadline deadline;
  bool late, broken;
  std::size_t answer_size;  // 0: none that is not fetched yet
  std::uint8_t answer[TPM2_MAX_RESPONSE_SIZE];
};
static_assert(std::is_standard_layout<Channel>::value, "a pointer to its first member is a pointer to it");

Channel& ChannelOf(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<Channel*>(context); }

TSS2_RC Late(Channel& channel) {
  channel.late = channel.broken = true;
  return TSS2_TCTI_RC_IO_ERROR;
}
TSS2_RC Broken(Channel& channel) {
  channel.broken = true;
  return TSS2_TCTI_RC_IO_ERROR;
}

TSS2_RC Transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* command) {
  Channel& channel = ChannelOf(context);
  if (channel.broken) return TSS2_TCTI_RC_BAD_SEQUENCE;
  for (std::size_t sent = 0; sent < size;) {
    if (!Await(channel.fd, POLLOUT, channel.deadline)) return Late(channel);
    const ssize_t n = channel.is_socket ? ::send(channel.fd, command + sent, size - sent, MSG_NOSIGNAL)
                                        : ::write(channel.fd, command + sent, size - sent);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return Broken(channel);
    sent += static_cast<std::size_t>(n);
  }
  return TSS2_RC_SUCCESS;
}

std::size_t SizeIn(const std::uint8_t* header) {
  return std::size_t{header[2]} << 24 | std::size_t{header[3]} << 16 | std::size_t{header[4]} << 8 | header[5];
}

// A driver hands over the whole answer in one read, so this asks for all that there is room for.
TSS2_RC ReadAnswer(Channel& channel) {
  std::size_t have = 0;
  for (std::size_t wanted = kHeader; have < wanted;) {
    if (!Await(channel.fd, POLLIN, channel.deadline)) return Late(channel);
    const ssize_t n = ::read(channel.fd, channel.answer + have, sizeof(channel.answer) - have);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return Broken(channel);
    have += static_cast<std::size_t>(n);
    if (have < kHeader) continue;
    wanted = SizeIn(channel.answer);
    if (wanted < kHeader || wanted > sizeof(channel.answer) || wanted < have) return Broken(channel);
  }
  channel.answer_size = have;
  return TSS2_RC_SUCCESS;
}

// Without `answer`: its size (TCTI specification, receive). The caller's timeout is not looked at: ESYS waits without
// end, and the deadline is over all commands together.
TSS2_RC Receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* answer, std::int32_t /*timeout*/) {
  Channel& channel = ChannelOf(context);
  if (channel.broken) return TSS2_TCTI_RC_BAD_SEQUENCE;
  if (channel.answer_size == 0) {
    if (const TSS2_RC rc = ReadAnswer(channel); rc != TSS2_RC_SUCCESS) return rc;
  }
  const std::size_t room = *size;
  *size = channel.answer_size;
  if (answer == nullptr) return TSS2_RC_SUCCESS;
  if (room < channel.answer_size) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  std::memcpy(answer, channel.answer, channel.answer_size);
  channel.answer_size = 0;
  return TSS2_RC_SUCCESS;
}

class FdTcti final : public TpmTcti {
 public:
  FdTcti(int fd, bool is_socket, TpmDeadline deadline) : channel_{{}, fd, is_socket, deadline, false, false, 0, {}} {
    channel_.common.magic = kMagic;
    channel_.common.version = 1;
    channel_.common.transmit = Transmit;
    channel_.common.receive = Receive;
    channel_.common.finalize = [](TSS2_TCTI_CONTEXT*) {};  // the destructor does it
  }
  ~FdTcti() override { ::close(channel_.fd); }
  TSS2_TCTI_CONTEXT* context() override { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&channel_); }
  bool late() const override { return channel_.late; }

 private:
  Channel channel_;
};

// A simulator takes one connection at a time: others wait in its backlog, and connect(2) for room there. It does so for
// as long as a send may take (socket(7), SO_SNDTIMEO).
absl::StatusOr<int> Connect(const sockaddr* address, socklen_t size, TpmDeadline deadline, const std::string& what) {
  const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed(what, errno);
  const auto left = std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()),
                             std::chrono::milliseconds(1));  // 0 is no limit
  const timeval limit{left.count() / 1000, left.count() % 1000 * 1000};
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 && ::connect(fd, address, size) == 0 &&
      ::fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
    return fd;
  const absl::Status failed = Failed(what, errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno);
  ::close(fd);
  return failed;
}

absl::StatusOr<int> ConnectUnix(const std::string& path, TpmDeadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Failed(path, ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  return Connect(reinterpret_cast<const sockaddr*>(&address), sizeof(address), deadline, path);
}

absl::StatusOr<int> ConnectTcp(const std::string& host, const std::string& port, TpmDeadline deadline) {
  const std::string what = absl::StrCat(host, " port ", port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return Deny(v1::DENY_REASON_ATTESTER_FAILED, absl::StrCat("TPM: ", what, ": ", ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  absl::StatusOr<int> fd = Failed(what, EADDRNOTAVAIL);
  for (const addrinfo* one = found; one != nullptr && !fd.ok(); one = one->ai_next)
    fd = Connect(one->ai_addr, one->ai_addrlen, deadline, what);
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TpmTcti>> TpmTcti::Open(const TpmAddress& address, TpmDeadline deadline) {
  const bool is_socket = address.device.empty();
  int fd = -1;
  if (!address.path.empty()) {
    TWI_ASSIGN_OR_RETURN(fd, ConnectUnix(address.path, deadline));
  } else if (is_socket) {
    TWI_ASSIGN_OR_RETURN(fd, ConnectTcp(address.host, address.port, deadline));
  } else {
    fd = ::open(address.device.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return Failed(address.device, errno);
  }
  return std::unique_ptr<TpmTcti>(std::make_unique<FdTcti>(fd, is_socket, deadline));
}

}  // namespace twi::agent
