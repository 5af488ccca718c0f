// One attested connection, driven to its end by the thread that calls.
#ifndef TWI_SERVICES_TWICTL_ATTESTED_TLS_STREAM_H_
#define TWI_SERVICES_TWICTL_ATTESTED_TLS_STREAM_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/attested_tls/endpoint.h"
#include "common/time/clock.h"

namespace twi::twictl {

class AttestedTlsStream {
 public:
  // Owns `socket`. Returns when the connection is open; the refusal otherwise.
  static absl::StatusOr<std::unique_ptr<AttestedTlsStream>> Open(atls::Endpoint& endpoint, int socket,
                                                                 const Clock& clock);
  ~AttestedTlsStream();

  const atls::Connection& connection() const { return *connection_; }
  // Carries `input` to the peer and what the peer sends to `output` (file descriptors), until both have ended.
  absl::Status Carry(int input, int output);
  void Close();

 private:
  AttestedTlsStream(int socket, const Clock& clock) : socket_(socket), clock_(clock) {}
  absl::Status Write(absl::string_view bytes);

  const int socket_;
  const Clock& clock_;
  std::unique_ptr<atls::Connection> connection_;
};

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_ATTESTED_TLS_STREAM_H_
