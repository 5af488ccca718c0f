// What a server counts about its RPCs (common/metrics has the table).
#ifndef TWI_COMMON_SERVER_METRICS_H_
#define TWI_COMMON_SERVER_METRICS_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/metrics/metrics.h"
#include "proto/twi/v1/deny_reason.pb.h"

namespace twi::server {

// twi_rpc_requests_total, twi_rpc_duration_seconds and twi_refusals_total of one RPC. Thread-safe; a call finds its
// counters by index and allocates nothing once an outcome was seen.
class RpcMetrics {
 public:
  virtual ~RpcMetrics() = default;
  virtual void Count(v1::DenyReason outcome, absl::Duration took) = 0;  // UNSPECIFIED is OK
};

// To be called once per RPC, at start. `metrics` must outlive the result.
std::shared_ptr<RpcMetrics> MakeRpcMetrics(metrics::Metrics& metrics, absl::string_view rpc);

}  // namespace twi::server

#endif  // TWI_COMMON_SERVER_METRICS_H_
