// Looks at what a client sends before OpenSSL does: OpenSSL makes room for the whole ClientHello that a header of nine
// bytes announces (up to 128 KiB), which whoever opens a connection may use against us. Inside common/attested_tls
// only.
#ifndef TWI_COMMON_ATTESTED_TLS_HELLO_GUARD_H_
#define TWI_COMMON_ATTESTED_TLS_HELLO_GUARD_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::atls {

// Of one connection, until its handshake is done: the second ClientHello, after a HelloRetryRequest, is looked at as
// the first is. Nothing is checked but its announced length; OpenSSL judges the rest.
class HelloGuard {
 public:
  // What was received, in order, in pieces of any size. False as soon as a ClientHello of more than kMaxClientHello is
  // announced.
  [[nodiscard]] bool Take(absl::string_view bytes);

 private:
  [[nodiscard]] bool TakeHandshake(absl::string_view fragment);

  std::string record_header_;    // as far as it is there
  std::size_t record_left_ = 0;  // bytes of its fragment that are still to come
  bool is_handshake_ = false;    // the record's type
  std::string message_header_;   // a handshake message may begin in one record and go on in the next
  std::size_t message_left_ = 0;
};

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_HELLO_GUARD_H_
