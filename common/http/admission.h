// Who may have what: everything between a request's header and its handler, and the audit line at its end.
#ifndef TWI_COMMON_HTTP_ADMISSION_H_
#define TWI_COMMON_HTTP_ADMISSION_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/http/http_config.h"
#include "common/http/message.h"
#include "common/http/tls_context.h"
#include "common/status/deny.h"
#include "common/time/clock.h"
#include "common/trace/trace.h"

namespace twi::http {

// Called at the end of each request whose route is known: the metrics' place. UNSPECIFIED is OK.
using OnOutcome = std::function<void(const std::string& route, DenyReason outcome, absl::Duration took)>;

class Admission {
 public:
  Admission(const Clock& clock, HttpSettings settings, std::vector<Route> routes,
            std::shared_ptr<server::TlsPeerSource> peers, OnOutcome on_outcome)
      : clock_(clock),
        settings_(std::move(settings)),
        routes_(std::move(routes)),
        peers_(std::move(peers)),
        on_outcome_(std::move(on_outcome)) {}

  // A request from its header on.
  struct Admitted {
    const Route* route = nullptr;
    Request request;                         // all but the body
    trace::Trace trace = trace::NewTrace();  // the client's, where its header names one
    std::shared_ptr<void> ticket;            // from Begin on: counts it as in flight until it is destroyed
  };
  // `target` as it stands in the request line. Checks: origin form, visible ASCII, no fragment; the query; the route;
  // the client's certificate valid now (PEER_UNAUTHENTICATED) and on the route's allow-list (PEER_NOT_ALLOWED, for an
  // anonymous one PEER_UNAUTHENTICATED); not stopping (DEPENDENCY_UNAVAILABLE). What is known of the request stands in
  // `admitted` also when it is refused.
  absl::Status Admit(absl::string_view method, absl::string_view target, std::map<std::string, std::string> headers,
                     const PeerCertificate& client, Admitted& admitted);
  // When all of it is there and the work begins: ticket and deadline. Not before, so that clients who are slow with
  // their bodies take nobody's place (the memory is bounded by the number of connections). OVERLOADED.
  absl::Status Begin(Admitted& admitted);
  // When a worker comes to it. DEADLINE_EXCEEDED: it has waited too long, nobody waits for the answer any more.
  absl::Status InTime(const Admitted& admitted) const;

  // One audit line, as for an RPC, of the request's trace. `admitted.route` null: a request that never had one.
  void Finish(const Admitted& admitted, const absl::Status& outcome, absl::Duration took) const;

  void Close() { closed_ = true; }
  const HttpSettings& settings() const { return settings_; }
  const std::vector<Route>& routes() const { return routes_; }

 private:
  absl::Status AdmitPeer(const Route& route, const PeerCertificate& client, Request& request) const;

  const Clock& clock_;
  const HttpSettings settings_;
  const std::vector<Route> routes_;
  const std::shared_ptr<server::TlsPeerSource> peers_;
  const OnOutcome on_outcome_;
  std::atomic<bool> closed_{false};
  std::atomic<int> in_flight_{0};
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_ADMISSION_H_
