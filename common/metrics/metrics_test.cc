#include "common/metrics/metrics.h"

#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/metrics/table.h"
#include "common/metrics/watch_store.h"
#include "common/storage/database.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, ShowsWhatWasCounted) {
  Metrics metrics;
  metrics.CounterOf("twi_refusals_total", {{"reason", "OVERLOADED"}}).Increment();
  metrics.CounterOf("twi_refusals_total", {{"reason", "OVERLOADED"}}).Increment(2);
  metrics.GaugeOf("twi_credential_expiry_timestamp_seconds").Set(1795262400);
  Histogram histogram = metrics.HistogramOf("twi_rpc_duration_seconds", {{"rpc", "Appraise"}});
  histogram.Observe(0.0002);
  histogram.Observe(100);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE twi_refusals_total counter\ntwi_refusals_total{reason=\"OVERLOADED\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("twi_credential_expiry_timestamp_seconds 1795262400\n"));
  EXPECT_THAT(text, HasSubstr("twi_rpc_duration_seconds_bucket{rpc=\"Appraise\",le=\"0.00025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("twi_rpc_duration_seconds_bucket{rpc=\"Appraise\",le=\"+Inf\"} 2\n"));
}

// The process's own start, not the object's: a restart is what changes it, and nothing else.
TEST(MetricsTest, ShowsWhenTheProcessStarted) {
  const auto shown = [] {
    const std::string text = Metrics().Text();
    const std::string name = "\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds ";
    double start = 0;
    const std::size_t at = ("\n" + text).find(name);
    EXPECT_NE(at, std::string::npos) << text;
    if (at == std::string::npos) return start;
    const std::string rest = text.substr(at - 1 + name.size());
    EXPECT_TRUE(absl::SimpleAtod(rest.substr(0, rest.find('\n')), &start)) << rest;
    return start;
  };
  const double first = shown(), now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  EXPECT_LE(first, now);
  EXPECT_GT(first, now - 600) << "a test lives shorter";
  const absl::Time later = absl::Now() + absl::Milliseconds(20);
  while (absl::Now() < later) std::this_thread::yield();  // until a start that is computed anew would be another
  EXPECT_EQ(shown(), first);
}

TEST(MetricsTest, AsksForSamplesAtEachScrapeUntilTheTokenIsGone) {
  Metrics metrics;
  int asked = 0;
  Metrics::Token token = metrics.Sample("twi_ready", {}, [&] { return ++asked; });
  Metrics::Token evicted = metrics.Sample("twi_challenges_evicted_total", {}, [] { return 7; });
  EXPECT_THAT(metrics.Text(), HasSubstr("# TYPE twi_ready gauge\ntwi_ready 1\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("twi_ready 2\n"));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("# TYPE twi_challenges_evicted_total counter\ntwi_challenges_evicted_total 7\n"));
  token.reset();
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("twi_ready")));
  EXPECT_EQ(asked, 3);
}

TEST(MetricsTest, ATokenMayOutliveItsMetrics) {
  int asked = 0;
  Metrics::Token token;
  {
    Metrics metrics;
    token = metrics.Sample("twi_ready", {}, [&] { return ++asked; });
  }
  token.reset();
  EXPECT_EQ(asked, 0);
}

TEST(MetricsTest, CountsFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Counter counter = metrics.CounterOf("twi_handshakes_refused_total");
      for (int i = 0; i < 1000; ++i) counter.Increment();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics.Text(), HasSubstr("twi_handshakes_refused_total 4000\n"));
}

// A database that only keeps who watches its commits.
class WatchedDatabase final : public storage::Database {
 public:
  absl::Status Write(const std::function<absl::Status(storage::Session&)>&) override { return absl::OkStatus(); }
  absl::Status Read(const std::function<absl::Status(storage::Session&)>&) override { return absl::OkStatus(); }
  void ObserveCommits(OnCommit on_commit) override { observer = std::move(on_commit); }
  absl::Status Ping() override { return absl::OkStatus(); }
  OnCommit observer;
};

TEST(WatchStoreTest, CountsCommitsTheirWritesAndTheOnesThatFailed) {
  Metrics metrics;
  WatchedDatabase database;
  WatchStore(metrics, database);
  EXPECT_THAT(metrics.Text(), HasSubstr("twi_store_commit_failures_total 0\n")) << "there before it happens";
  database.observer(absl::Milliseconds(2), 3);
  database.observer(absl::Milliseconds(2), 0);
  database.observer(absl::Milliseconds(2), 1);
  const std::string text = metrics.Text();
  for (const char* line : {"twi_store_commit_duration_seconds_count 3\n", "twi_store_commit_writes_total 4\n",
                           "twi_store_commit_failures_total 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsDeathTest, RefusesWhatIsNotInTheTable) {
  Metrics metrics;
  EXPECT_DEATH(metrics.CounterOf("twi_invented_total"), "not in the table");
  EXPECT_DEATH(metrics.CounterOf("twi_refusals_total"), "not in the table");
  EXPECT_DEATH(metrics.CounterOf("twi_refusals_total", {{"peer", "x"}}), "not in the table");
  EXPECT_DEATH(metrics.GaugeOf("twi_refusals_total", {{"reason", "x"}}), "not in the table");
  EXPECT_DEATH((void)metrics.Sample("twi_rpc_duration_seconds", {{"rpc", "x"}}, [] { return 0; }), "not in the table");
}

// https://prometheus.io/docs/practices/naming: prefix, base units, _total for counters and for nothing else.
TEST(TableTest, NamesFollowTheConventions) {
  std::set<std::string> names;
  for (const Family& family : Families()) {
    const std::string name = family.name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_TRUE(absl::StartsWith(name, "twi_")) << name;
    EXPECT_EQ(absl::EndsWith(name, "_total"), family.type == Type::kCounter) << name;
    EXPECT_TRUE(family.type != Type::kHistogram || absl::EndsWith(name, "_seconds")) << name;
    for (const char* unit : {"_ms", "_millis", "_microseconds", "_minutes", "_hours", "_kb", "_mb"})
      EXPECT_FALSE(absl::StrContains(name, unit)) << name;
    EXPECT_TRUE(absl::EndsWith(family.help, ".")) << name;
    const std::vector<std::string> labels = absl::StrSplit(family.labels, ',', absl::SkipEmpty());
    EXPECT_TRUE(std::is_sorted(labels.begin(), labels.end())) << name;
  }
}

// The README's rows are the table's, both ways.
TEST(TableTest, StandsInTheReadme) {
  std::ifstream file("common/metrics/README.md");
  const std::string readme((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::set<std::string> rows, expected;
  for (const absl::string_view line : absl::StrSplit(readme, '\n')) {
    if (absl::StartsWith(line, "| `twi_")) rows.insert(std::string(line));
  }
  for (const Family& family : Families()) {
    const char* type = family.type == Type::kCounter ? "counter" : family.type == Type::kGauge ? "gauge" : "histogram";
    expected.insert(absl::StrCat("| `", family.name, "` | ", type, " | ",
                                 absl::StrReplaceAll(family.labels, {{",", ", "}}), " | ", family.help, " |"));
  }
  EXPECT_THAT(readme, HasSubstr("| `process_start_time_seconds` | gauge |  | Start of this process, Unix time. |\n"));
  for (const std::string& row : expected) EXPECT_EQ(rows.count(row), 1u) << "missing in README.md:\n" << row;
  for (const std::string& row : rows) EXPECT_EQ(expected.count(row), 1u) << "not in the table:\n" << row;
}

}  // namespace
}  // namespace twi::metrics
