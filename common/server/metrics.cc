#include "common/server/metrics.h"

#include <array>
#include <atomic>
#include <mutex>
#include <optional>

#include "common/status/deny.h"

namespace twi::server {
namespace {

class CountedRpc final : public RpcMetrics {
 public:
  CountedRpc(metrics::Metrics& metrics, absl::string_view rpc)
      : metrics_(metrics), rpc_(rpc), seconds_(metrics.HistogramOf("twi_rpc_duration_seconds", {{"rpc", rpc_}})) {
    // So that a reason's rate is 0 before it happens, not absent: alerts are written against it.
    for (int reason = 1; reason < v1::DenyReason_ARRAYSIZE; ++reason) {
      if (v1::DenyReason_IsValid(reason)) refusals_[static_cast<std::size_t>(reason)] = Refusals(reason);
    }
    (void)Requests(v1::DENY_REASON_UNSPECIFIED);  // OK is there as 0 from the start
  }

  void Count(v1::DenyReason outcome, absl::Duration took) override {
    if (!v1::DenyReason_IsValid(outcome)) outcome = v1::DENY_REASON_INTERNAL;
    Requests(outcome).Increment();
    if (outcome != v1::DENY_REASON_UNSPECIFIED) refusals_[static_cast<std::size_t>(outcome)]->Increment();
    seconds_.Observe(absl::ToDoubleSeconds(took));
  }

 private:
  metrics::Counter Refusals(int reason) {
    return metrics_.CounterOf("twi_refusals_total", {{"reason", DenyReasonName(static_cast<DenyReason>(reason))}});
  }

  // A refusal's counter per RPC is made when it first happens (some hundred zeros per RPC would hide the rest), then
  // found by index without a lock.
  metrics::Counter& Requests(v1::DenyReason outcome) {
    const auto index = static_cast<std::size_t>(outcome);
    if (!made_[index].load(std::memory_order_acquire)) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!requests_[index].has_value()) {
        const std::string name = outcome == v1::DENY_REASON_UNSPECIFIED ? "OK" : DenyReasonName(outcome);
        requests_[index] = metrics_.CounterOf("twi_rpc_requests_total", {{"rpc", rpc_}, {"outcome", name}});
      }
      made_[index].store(true, std::memory_order_release);
    }
    return *requests_[index];
  }

  metrics::Metrics& metrics_;
  const std::string rpc_;
  metrics::Histogram seconds_;
  std::array<std::optional<metrics::Counter>, v1::DenyReason_ARRAYSIZE> refusals_;  // constant after construction
  std::mutex mutex_;  // guards the making of requests_; an entry is constant once its made_ is set
  std::array<std::optional<metrics::Counter>, v1::DenyReason_ARRAYSIZE> requests_;
  std::array<std::atomic<bool>, v1::DenyReason_ARRAYSIZE> made_{};
};

}  // namespace

std::shared_ptr<RpcMetrics> MakeRpcMetrics(metrics::Metrics& metrics, absl::string_view rpc) {
  return std::make_shared<CountedRpc>(metrics, rpc);
}

}  // namespace twi::server
