// What a daemon counts, for Prometheus. The only room with prometheus-cpp: registry and text format are the library's.
#ifndef TWI_COMMON_METRICS_METRICS_H_
#define TWI_COMMON_METRICS_METRICS_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace twi::metrics {

// Handles: a pointer each, good as long as their Metrics. Thread-safe, no allocation.
class Counter {
 public:
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  void Increment(double by = 1);

 private:
  prometheus::Counter* counter_;
};
class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  void Set(double value);

 private:
  prometheus::Gauge* gauge_;
};
class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  void Observe(double value);

 private:
  prometheus::Histogram* histogram_;
};

using Labels = std::map<std::string, std::string>;

// One per daemon, made by its main assembly and outliving everything that counts. Every family is in the table
// (table.h) with its type and its label names; another name, type or label ends the program: what is counted is part of
// the interface that alerts are written against. Label values are ours or from closed lists, never a peer's.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;

  // The same handle for the same labels. Takes a lock and allocates: keep the handle.
  Counter CounterOf(absl::string_view family, const Labels& labels = {});
  Gauge GaugeOf(absl::string_view family, const Labels& labels = {});
  Histogram HistogramOf(absl::string_view family, const Labels& labels = {});  // of seconds

  // A gauge or counter that is asked for at each scrape, in the scraper's thread. `value` must be good, and
  // thread-safe, until the token is destroyed; destroying it waits for a scrape that is on.
  using Token = std::shared_ptr<void>;
  [[nodiscard]] Token Sample(absl::string_view family, const Labels& labels, std::function<double()> value);

  // All of it in Prometheus' text exposition format 0.0.4.
  std::string Text() const;

 private:
  struct Sampled;
  const std::shared_ptr<prometheus::Registry> registry_;
  struct Samples;
  const std::shared_ptr<Samples> samples_;
};

}  // namespace twi::metrics

#endif  // TWI_COMMON_METRICS_METRICS_H_
