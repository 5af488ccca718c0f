// Attested TLS (README.md): a TLS 1.3 connection whose ends prove by Evidence what they are. No early data, no tickets,
// no resumption, no renegotiation. OpenSSL is behind it; this header shows none of it.
//
// Non-blocking: whoever owns the socket waits for what Advance asks for (epoll), and calls it again. Everything that
// blocks (Verifier, TEE) runs on Workers.
#ifndef TWI_COMMON_ATTESTED_TLS_ENDPOINT_H_
#define TWI_COMMON_ATTESTED_TLS_ENDPOINT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/attested_tls/attester.h"
#include "common/attested_tls/code_points.h"
#include "common/attested_tls/relying_party.h"
#include "common/attested_tls/workers.h"
#include "common/time/clock.h"

namespace twi::atls {

struct Settings {
  Role role = Role::kServer;  // our own
  // Accepted, nothing else is: as relying party and as attester. Not empty, each once. Of several the server takes
  // kSession when the client offers it.
  std::vector<Profile> profiles = {Profile::kSession};
  // What we prove. Required for a server, whose certificate is its leaf; a client without one fails where the server
  // challenges it.
  std::shared_ptr<const Attester> attester;
  // What we demand of the peer; null: nothing (one-way attested TLS, seen from the side that attests). A client
  // without one is refused by Make: it would talk to anybody.
  std::shared_ptr<const RelyingParty> relying_party;
  absl::Duration handshake_timeout = absl::Seconds(10);  // from Open to kOpen, everything included
  // One budget for the session's opening at the Verifier, and another for the appraisal as a whole: waiting for a
  // worker, submitting the Evidence, fetching the Verifier's keys, `accept`.
  absl::Duration appraisal_timeout = absl::Seconds(5);
  std::shared_ptr<Workers> verifier_workers;  // required with relying_party
  std::shared_ptr<Workers> attester_workers;  // required with attester
};

// What the owner of the socket does next.
struct Progress {
  enum class State { kHandshaking, kOpen, kClosed };
  State state = State::kHandshaking;
  bool want_read = false;   // call Advance when the socket is readable,
  bool want_write = false;  // or writable; with neither: when `wake` was called
  bool again = false;       // or, first of all, after the others have had their turn: it stopped, though there is more
};

struct IoResult {
  // kAgain: nothing yet, and there may be more to do at once, in the socket or behind it: call again, after the others
  // have had their turn. A peer that streams what is no data (KeyUpdates) keeps nobody else waiting.
  enum class Kind { kDone, kAgain, kWouldBlock, kClosed, kFailed };
  Kind kind = Kind::kFailed;
  std::size_t bytes = 0;    // with kDone
  bool want_write = false;  // with kWouldBlock: wait for writable, else for readable
};

// One end of one connection. Used by one thread at a time. Does not own the socket, which must outlive it.
class Connection {
 public:
  virtual ~Connection() = default;
  // As far as possible without blocking, in bounded time; never throws, never sleeps.
  virtual Progress Advance(absl::Time now) = 0;
  // Advance must be called at this time at the latest, until kOpen (InfiniteFuture afterwards).
  virtual absl::Time deadline() const = 0;

  // After kOpen. Bytes of the application only: nothing of it flows before.
  virtual IoResult Read(char* buffer, std::size_t size) = 0;
  virtual IoResult Write(absl::string_view bytes) = 0;
  // close_notify, when all that is to be written is (kDone of Write): no more is written, the peer's bytes may still be
  // read. kWouldBlock: the socket is full; call it again, else the peer takes the end for a truncation.
  virtual IoResult CloseWrite() = 0;

  // Who the peer is; null until kOpen, and for ever when nothing is demanded of it.
  virtual const AttestedPeer* peer() const = 0;
  // Why it is kClosed.
  virtual const absl::Status& why() const = 0;
  virtual Profile profile() const = 0;  // as negotiated
};

// Makes connections of one kind; thread-safe, immutable but for its leaf, which is renewed by itself.
class Endpoint {
 public:
  // CONFIG_INVALID. `clock` must outlive the endpoint and its connections.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Make(Settings settings, const Clock& clock);
  virtual ~Endpoint() = default;
  // `socket`: connected, non-blocking. `wake`: thread-safe, is called from other threads when Advance can go on, also
  // after the connection is gone; never null. The endpoint must outlive its connections.
  virtual absl::StatusOr<std::unique_ptr<Connection>> Open(int socket, std::function<void()> wake, absl::Time now) = 0;
};

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_ENDPOINT_H_
