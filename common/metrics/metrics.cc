#include "common/metrics/metrics.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/metrics/table.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace twi::metrics {
namespace {

// 50 us .. 30 s: an RPC without Evidence takes about 100 us, one with a TPM or a slow store up to seconds.
const prometheus::Histogram::BucketBoundaries& SecondsBuckets() {
  static const auto* const buckets = new prometheus::Histogram::BucketBoundaries{
      0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  return *buckets;
}

const Family& Described(absl::string_view name, const Labels& labels, std::initializer_list<Type> types) {
  const Family* family = FindFamily(name);
  const std::string names =
      absl::StrJoin(labels, ",", [](std::string* out, const auto& label) { out->append(label.first); });
  bool right = false;
  for (const Type type : types) right = right || (family != nullptr && family->type == type);
  if (right && names == family->labels) return *family;
  std::fprintf(stderr, "metrics: %s{%s} is not in the table\n", std::string(name).c_str(), names.c_str());
  std::abort();
}

// Register gives back the family that is there already.
template <typename Builder>
auto& Registered(Builder builder, const Family& family, prometheus::Registry& registry) {
  return builder.Name(family.name).Help(family.help).Register(registry);
}

double SecondsOf(clockid_t clock) {
  timespec now{};
  (void)clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// When the kernel made this process, proc(5): field 22 of its stat, in ticks since the machine's start. Not by
// /proc/stat, which the units hide (ProcSubset=pid). Where /proc is not there: now, which is soon after.
double ProcessStart() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');  // the name, field 2, may hold anything
  double age = 0, ticks = 0;
  if (name_end != std::string::npos) {
    const std::vector<std::string> fields = absl::StrSplit(line.substr(name_end), ' ');
    if (fields.size() > 20 && absl::SimpleAtod(fields[20], &ticks))
      age = SecondsOf(CLOCK_BOOTTIME) - ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return SecondsOf(CLOCK_REALTIME) - age;
}

// Prometheus' own name, for every process that shows metrics: not one of the table, which has ours.
void ShowProcessStart(prometheus::Registry& registry) {
  static const double start = ProcessStart();
  prometheus::BuildGauge()
      .Name("process_start_time_seconds")
      .Help("Start of this process, Unix time.")
      .Register(registry)
      .Add({})
      .Set(start);
}

}  // namespace

void Counter::Increment(double by) { counter_->Increment(by); }
void Gauge::Set(double value) { gauge_->Set(value); }
void Histogram::Observe(double value) { histogram_->Observe(value); }

struct Metrics::Sampled {
  const Family& family;
  const Labels labels;
  const std::function<double()> value;
};

struct Metrics::Samples {
  std::mutex mutex;  // held while values are asked for, so that a token's end waits for it
  std::vector<const Sampled*> all;
};

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()), samples_(std::make_shared<Samples>()) {
  ShowProcessStart(*registry_);
}
Metrics::~Metrics() = default;

Counter Metrics::CounterOf(absl::string_view name, const Labels& labels) {
  const Family& family = Described(name, labels, {Type::kCounter});
  return Counter(Registered(prometheus::BuildCounter(), family, *registry_).Add(labels));
}

Gauge Metrics::GaugeOf(absl::string_view name, const Labels& labels) {
  const Family& family = Described(name, labels, {Type::kGauge});
  return Gauge(Registered(prometheus::BuildGauge(), family, *registry_).Add(labels));
}

Histogram Metrics::HistogramOf(absl::string_view name, const Labels& labels) {
  const Family& family = Described(name, labels, {Type::kHistogram});
  return Histogram(Registered(prometheus::BuildHistogram(), family, *registry_).Add(labels, SecondsBuckets()));
}

Metrics::Token Metrics::Sample(absl::string_view name, const Labels& labels, std::function<double()> value) {
  auto* const sampled = new Sampled{Described(name, labels, {Type::kCounter, Type::kGauge}), labels, std::move(value)};
  {
    const std::lock_guard<std::mutex> lock(samples_->mutex);
    samples_->all.push_back(sampled);
  }
  return Token(sampled, [samples = samples_](const Sampled* gone) {
    {
      const std::lock_guard<std::mutex> lock(samples->mutex);
      samples->all.erase(std::find(samples->all.begin(), samples->all.end(), gone));
    }
    delete gone;
  });
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  {
    const std::lock_guard<std::mutex> lock(samples_->mutex);
    for (const Sampled* sampled : samples_->all) {
      auto at = std::find_if(families.begin(), families.end(),
                             [&](const auto& family) { return family.name == sampled->family.name; });
      if (at == families.end()) {
        const auto type =
            sampled->family.type == Type::kCounter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
        at = families.insert(at, {sampled->family.name, sampled->family.help, type, {}});
      }
      prometheus::ClientMetric metric;
      for (const auto& [name, label] : sampled->labels) metric.label.push_back({name, label});
      const double value = sampled->value();
      metric.counter.value = value;  // the family's type says which of the two is read
      metric.gauge.value = value;
      at->metric.push_back(std::move(metric));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace twi::metrics
