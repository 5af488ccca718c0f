// Our end of a connection as OpenSSL sees it. Inside common/attested_tls only.
#ifndef TWI_COMMON_ATTESTED_TLS_SOCKET_BIO_H_
#define TWI_COMMON_ATTESTED_TLS_SOCKET_BIO_H_

#include <optional>

#include "common/attested_tls/hello_guard.h"
#include "openssl/bio.h"

namespace twi::atls {

// A socket behind a BIO. It sends with MSG_NOSIGNAL: a peer that goes away is an error, not a signal. And it bounds
// what one call of ours takes in, whatever a peer streams (records of one byte, KeyUpdates without end), so that the
// thread comes back to its other connections.
class SocketEnd {
 public:
  // Does not own the socket.
  explicit SocketEnd(int socket) : socket_(socket) {}
  SocketEnd(const SocketEnd&) = delete;

  // Must not outlive this. Null when OpenSSL has no memory.
  BIO* NewBio();
  // Every ClientHello's announced length is looked at, until HandshakeDone.
  void GuardHello() { guard_.emplace(); }
  void HandshakeDone() { guard_.reset(); }
  bool hello_too_large() const { return hello_too_large_; }

  // A call of the owner begins: in it OpenSSL may read `reads` times.
  void BeginCall(int reads) { reads_left_ = reads; }
  // One function of OpenSSL is about to be called.
  void BeginStep() { found_empty_ = false; }
  // When that function wants to read: true if it found nothing in the socket. False: there may be more, in the socket
  // or inside OpenSSL, and it stopped because it was bounded, or because it had seen a message that is no data
  // (SSL_MODE_AUTO_RETRY is off). SSL_has_pending cannot tell: it also holds for the beginning of a record whose rest
  // is not there.
  bool found_empty() const { return found_empty_; }
  bool may_read() const { return reads_left_ > 0; }

 private:
  static const BIO_METHOD* Method();
  static int Write(BIO* bio, const char* data, int size);
  static int Read(BIO* bio, char* data, int size);

  const int socket_;
  int reads_left_ = 0;
  bool found_empty_ = false, hello_too_large_ = false;
  std::optional<HelloGuard> guard_;
};

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_SOCKET_BIO_H_
