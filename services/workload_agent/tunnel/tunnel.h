// One connection through a tunnel: attested TLS on one side, plaintext on the other, two bounded buffers between.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/attested_tls/endpoint.h"
#include "services/workload_agent/tunnel/route.h"

namespace twi::agent {

// What to wait for on a socket; `fd` -1: there is none (yet).
struct Interest {
  int fd = -1;
  bool read = false, write = false;
};

// Owns its sockets. Used by one thread; `wake` is called from others.
class Tunnel {
 public:
  Tunnel(std::shared_ptr<const Route> route, int accepted, std::function<void()> wake, absl::Time now);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // Does what can be done without blocking. Nothing of the plaintext side is read or connected before the peer is
  // accepted.
  void Step(absl::Time now);
  bool over() const { return over_; }
  bool again() const { return again_; }  // there is more to do at once
  Interest tls() const { return tls_interest_; }
  Interest plain() const { return plain_interest_; }
  // Step must be called then at the latest.
  absl::Time deadline() const;
  const Route& route() const { return *route_; }

 private:
  // Bytes that were read on one side and not yet written on the other.
  struct Buffer {
    std::string bytes;
    std::size_t begin = 0;
    bool empty() const { return begin == bytes.size(); }
    absl::string_view view() const { return absl::string_view(bytes).substr(begin); }
  };

  bool Connected(absl::Time now);
  void OpenConnection(absl::Time now);
  void Shake(absl::Time now);
  void Opened(absl::Time now);
  void Refused(const absl::Status& why, absl::Time now);
  void Carry(absl::Time now);
  bool CarryOut();  // plaintext -> TLS; true when bytes moved
  bool CarryIn();   // TLS -> plaintext
  void CloseSockets();

  const std::shared_ptr<const Route> route_;
  const std::function<void()> wake_;
  const absl::Time started_;
  std::shared_ptr<atls::Pending<std::shared_ptr<OwnedSocket>>> connecting_;
  int tls_fd_ = -1, plain_fd_ = -1;
  std::unique_ptr<atls::Connection> connection_;
  Interest tls_interest_, plain_interest_;
  bool open_ = false, over_ = false, again_ = false;
  absl::Time last_byte_;
  Buffer out_, in_;
  bool plain_eof_ = false, tls_closed_ = false;  // plaintext side said end; we told TLS
  bool tls_eof_ = false, plain_closed_ = false;  // TLS side said end; we told the plaintext side
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_H_
