// One attested connection, driven to its end by the thread that calls.
#ifndef TWI_SERVICES_TWICTL_ATTESTED_TLS_STREAM_H_
#define TWI_SERVICES_TWICTL_ATTESTED_TLS_STREAM_H_

#include <memory>
#include <string>

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
  // Carries `input` to the peer and what the peer sends to `output` (file descriptors, -1 for no input), until both
  // have ended: the peer by close_notify, or the connection as a whole. Neither direction waits for the other.
  absl::Status Carry(int input, int output);
  // close_notify; waits a second at most for a peer that takes nothing.
  void Close();

 private:
  // Both directions of Carry: a chunk each, and what each of them waits for.
  struct Carried {
    std::string to_peer, to_output;
    bool input_open = true, peer_open = true;
    bool closed = false;  // close_notify is sent
    bool again = false;   // something moved, or there is more behind TLS
    short socket_events = 0;
    [[nodiscard]] bool Stopped(const atls::IoResult& result);
    void PeerIsGone();
  };

  explicit AttestedTlsStream(int socket) : socket_(socket) {}
  absl::Status CarryFromPeer(Carried& c);
  absl::Status CarryToPeer(Carried& c);

  const int socket_;
  std::unique_ptr<atls::Connection> connection_;
};

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_ATTESTED_TLS_STREAM_H_
