#include "common/attested_tls/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>

namespace twi::atls {
namespace {

SocketEnd& EndOf(BIO* bio) { return *static_cast<SocketEnd*>(BIO_get_data(bio)); }

bool IsRetry(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

int SocketEnd::Write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = send(EndOf(bio).socket_, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && IsRetry(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int SocketEnd::Read(BIO* bio, char* data, int size) {
  SocketEnd& end = EndOf(bio);
  BIO_clear_retry_flags(bio);
  if (end.hello_too_large_) return -1;
  if (end.reads_left_ <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  --end.reads_left_;
  const ssize_t got = recv(end.socket_, data, static_cast<std::size_t>(size), 0);
  if (got < 0 && IsRetry(errno)) {
    end.found_empty_ = true;
    BIO_set_retry_read(bio);
  }
  if (got > 0 && end.guard_.has_value() && !end.guard_->Take(absl::string_view(data, static_cast<std::size_t>(got)))) {
    end.hello_too_large_ = true;
    return -1;
  }
  return static_cast<int>(got);
}

const BIO_METHOD* SocketEnd::Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "twi socket");
    if (made != nullptr) {
      BIO_meth_set_write(made, Write);
      BIO_meth_set_read(made, Read);
      BIO_meth_set_ctrl(made, Control);
    }
    return made;
  }();
  return method;
}

BIO* SocketEnd::NewBio() {
  if (Method() == nullptr) return nullptr;
  BIO* bio = BIO_new(Method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace twi::atls
