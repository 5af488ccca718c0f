// Where a daemon's metrics are scraped: a Unix socket, or HTTPS with mutual TLS. Never plaintext TCP.
#ifndef TWI_COMMON_SERVER_METRICS_LISTENER_H_
#define TWI_COMMON_SERVER_METRICS_LISTENER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/metrics/metrics.h"
#include "common/time/clock.h"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {

class MetricsListener {
 public:
  // `config` is checked first, as below. Over HTTPS the bounds and checks are common/http's, the route "Scrape".
  // `metrics` and `clock` must outlive the result.
  static absl::StatusOr<std::unique_ptr<MetricsListener>> Start(const config::v1::Metrics& config,
                                                                const std::string& field,
                                                                const metrics::Metrics& metrics, const Clock& clock);
  virtual ~MetricsListener() = default;
  virtual int port() const = 0;  // 0 on a Unix socket
};

// What --check-config can say without listening: a Unix socket (an absolute path of at most 107 bytes, peers "uid:N",
// no tls) or an IP address and port (peers SPIFFE IDs, tls; its files are not opened here); at least one peer, each
// once. `field`: where it stands in the config ("server.metrics"). CONFIG_INVALID at the place of the field below
// `field`.
absl::Status CheckMetricsConfig(const config::v1::Metrics& config, const std::string& field);

// The head of an HTTP/1.x request, up to and without the empty line: 200 for GET of /metrics (a query is ignored), 404,
// 405, 400 for what is no request line.
int StatusOfScrape(absl::string_view head);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_METRICS_LISTENER_H_
