// Counters for Prometheus, and the loopback listener that shows them. The only file with prometheus-cpp.
#ifndef TWI_COMMON_SERVER_METRICS_H_
#define TWI_COMMON_SERVER_METRICS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/twi/v1/deny_reason.pb.h"

namespace twi::server {

// twi_rpc_total{rpc,outcome} (a DenyReason's name or OK) and twi_rpc_seconds{rpc} of one RPC. Thread-safe; a call finds
// its counter by index.
class RpcMetrics {
 public:
  virtual ~RpcMetrics() = default;
  virtual void Count(v1::DenyReason outcome, absl::Duration took) = 0;  // UNSPECIFIED is OK
};

class Metrics {
 public:
  // `listen` empty: counts nothing. Else "ADDRESS:PORT", a loopback address (127.0.0.0/8 or [::1]), port 0 takes a free
  // one. CONFIG_INVALID.
  static absl::StatusOr<std::unique_ptr<Metrics>> Start(const std::string& listen);
  virtual ~Metrics() = default;
  // To be called once per RPC, at start.
  virtual std::shared_ptr<RpcMetrics> ForRpc(absl::string_view rpc) = 0;
  // twi_certificate_expiry_timestamp_seconds
  virtual void SetCertificateExpiry(absl::Time not_after) = 0;
  virtual int port() const = 0;  // 0 when off
};

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_METRICS_H_
