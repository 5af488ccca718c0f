// One connection through a tunnel: attested TLS on one side, plaintext on the other, two bounded buffers between.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/attested_tls/endpoint.h"
#include "services/workload_agent/tunnel/route.h"

namespace twi::agent {

// What to wait for on a socket; `fd` -1: there is none (yet).
struct Interest {
  int fd = -1;
  bool read = false, write = false;
  int socket = 0;  // which one of its side: a closed socket's number may come again at once
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
  bool over() const { return state_ == State::kOver; }
  bool again() const { return again_; }  // there is more to do at once
  Interest tls() const { return tls_interest_; }
  Interest plain() const { return plain_interest_; }
  // Step must be called then at the latest.
  absl::Time deadline() const;
  const Route& route() const { return *route_; }

 private:
  // Egress: kResolving -> kConnecting -> kShaking -> kCarrying. Ingress: kShaking -> kReaching -> kCarrying.
  enum class State { kResolving, kConnecting, kShaking, kReaching, kCarrying, kOver };
  // Bytes that were read on one side and not yet written on the other.
  struct Buffer {
    std::string bytes;
    std::size_t begin = 0;
    bool empty() const { return begin == bytes.size(); }
    absl::string_view view() const { return absl::string_view(bytes).substr(begin); }
  };

  void StartResolving(absl::Time now);
  void Resolve(absl::Time now);
  void Connect(absl::Time now);
  bool TryNextAddress(absl::Time now);
  void OpenConnection(absl::Time now);
  void Shake(absl::Time now);
  void ReachWorkload(absl::Time now);
  void Open(absl::Time now);
  void Refuse(const absl::Status& why, absl::Time now);
  void Carry(absl::Time now);
  bool CarryOut();                          // plaintext -> TLS; true when bytes moved
  bool CarryIn();                           // TLS -> plaintext
  void Wait(const atls::IoResult& result);  // for what TLS stopped for
  absl::Time handshake_end() const { return started_ + route_->handshake_timeout; }
  void CloseTls();

  const std::shared_ptr<const Route> route_;
  const std::function<void()> wake_;
  const absl::Time started_;
  State state_ = State::kShaking;
  // Egress: the way to the peer.
  std::shared_ptr<atls::Pending<std::vector<Address>>> resolving_;
  std::vector<Address> addresses_;  // those not yet tried, the next one last
  absl::Time next_address_;         // when the one that is tried has had its time

  int tls_fd_ = -1, plain_fd_ = -1;
  std::unique_ptr<atls::Connection> connection_;
  Interest tls_interest_, plain_interest_;
  bool again_ = false;
  absl::Time last_byte_;
  Buffer out_, in_;
  bool plain_eof_ = false, tls_closed_ = false;  // plaintext side said end; we told TLS
  bool tls_eof_ = false, plain_closed_ = false;  // TLS side said end; we told the plaintext side
};

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TUNNEL_TUNNEL_H_
