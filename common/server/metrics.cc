#include "common/server/metrics.h"

#include <arpa/inet.h>

#include <array>
#include <atomic>
#include <exception>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "prometheus/counter.h"
#include "prometheus/exposer.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace twi::server {
namespace {

class NoRpcMetrics final : public RpcMetrics {
 public:
  void Count(v1::DenyReason, absl::Duration) override {}
};

class NoMetrics final : public Metrics {
 public:
  std::shared_ptr<RpcMetrics> ForRpc(absl::string_view) override { return std::make_shared<NoRpcMetrics>(); }
  void SetCertificateExpiry(absl::Time) override {}
  int port() const override { return 0; }
};

// 50 us .. 10 s: an RPC without Evidence takes about 100 us, one with a TPM or a slow store up to seconds.
const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const auto* buckets = new prometheus::Histogram::BucketBoundaries{
      0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return *buckets;
}

class PrometheusRpcMetrics final : public RpcMetrics {
 public:
  PrometheusRpcMetrics(std::shared_ptr<prometheus::Registry> registry, prometheus::Family<prometheus::Counter>& totals,
                       prometheus::Histogram& seconds, std::string rpc)
      : registry_(std::move(registry)), totals_(totals), seconds_(seconds), rpc_(std::move(rpc)) {
    Total(v1::DENY_REASON_UNSPECIFIED);  // so that OK is there as 0 from the start
  }

  void Count(v1::DenyReason outcome, absl::Duration took) override {
    if (!v1::DenyReason_IsValid(outcome)) outcome = v1::DENY_REASON_INTERNAL;
    Total(outcome).Increment();
    seconds_.Observe(absl::ToDoubleSeconds(took));
  }

 private:
  // A refusal's counter is made when it first happens (some hundred zeros per RPC would hide the rest), then found by
  // index without a lock.
  prometheus::Counter& Total(v1::DenyReason outcome) {
    std::atomic<prometheus::Counter*>& slot = totals_by_reason_[static_cast<std::size_t>(outcome)];
    prometheus::Counter* counter = slot.load(std::memory_order_acquire);
    if (counter == nullptr) {
      const std::string name = outcome == v1::DENY_REASON_UNSPECIFIED ? "OK" : DenyReasonName(outcome);
      counter = &totals_.Add({{"rpc", rpc_}, {"outcome", name}});  // gives back the same one when two threads race
      slot.store(counter, std::memory_order_release);
    }
    return *counter;
  }

  const std::shared_ptr<prometheus::Registry> registry_;  // keeps the families
  prometheus::Family<prometheus::Counter>& totals_;
  prometheus::Histogram& seconds_;
  const std::string rpc_;
  std::array<std::atomic<prometheus::Counter*>, v1::DenyReason_ARRAYSIZE> totals_by_reason_{};
};

class PrometheusMetrics final : public Metrics {
 public:
  explicit PrometheusMetrics(const std::string& listen)
      : registry_(std::make_shared<prometheus::Registry>()),
        totals_(prometheus::BuildCounter()
                    .Name("twi_rpc_total")
                    .Help("RPCs by outcome: OK or the reason of the refusal")
                    .Register(*registry_)),
        seconds_(prometheus::BuildHistogram()
                     .Name("twi_rpc_seconds")
                     .Help("time from admission to answer")
                     .Register(*registry_)),
        expiry_(prometheus::BuildGauge()
                    .Name("twi_certificate_expiry_timestamp_seconds")
                    .Help("end of validity of this service's certificate")
                    .Register(*registry_)
                    .Add({})),
        exposer_(listen, /*num_threads=*/2) {
    exposer_.RegisterCollectable(registry_);
  }
  std::shared_ptr<RpcMetrics> ForRpc(absl::string_view rpc) override {
    return std::make_shared<PrometheusRpcMetrics>(
        registry_, totals_, seconds_.Add({{"rpc", std::string(rpc)}}, Buckets()), std::string(rpc));
  }
  void SetCertificateExpiry(absl::Time not_after) override {
    expiry_.Set(static_cast<double>(absl::ToUnixSeconds(not_after)));
  }
  int port() const override {
    const std::vector<int> ports = exposer_.GetListeningPorts();
    return ports.empty() ? 0 : ports[0];
  }

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& totals_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Gauge& expiry_;
  prometheus::Exposer exposer_;
};

// Metrics have no authentication, so only processes of this machine may see them.
bool IsLoopback(absl::string_view listen) {
  const std::size_t colon = listen.rfind(':');
  int port = -1;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 ||
      port > 65535)
    return false;
  const std::string host(listen.substr(0, colon));
  if (host == "[::1]") return true;
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Metrics>> Metrics::Start(const std::string& listen) {
  if (listen.empty()) return std::make_unique<NoMetrics>();
  if (!IsLoopback(listen)) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat("metrics_listen: expected a loopback address and a port, like 127.0.0.1:9464, got \"",
                             listen, "\""));
  }
  // The exposer reports by exception that it cannot listen.
  try {
    return std::make_unique<PrometheusMetrics>(listen);
  } catch (const std::exception& e) {
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat("metrics_listen: cannot listen on ", listen, ": ", e.what()));
  }
}

}  // namespace twi::server
