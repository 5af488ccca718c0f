// Rules and dashboard name only metrics and reasons that exist, and every metric is looked at by one of them.
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/metrics/table.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/twi/v1/deny_reason.pb.h"
#include "re2/re2.h"

namespace twi::metrics {
namespace {

std::string Read(const std::string& name) {
  std::ifstream file("deploy/monitoring/" + name);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

std::set<std::string> AllMatches(absl::string_view text, const char* pattern) {
  std::set<std::string> found;
  re2::StringPiece rest(text.data(), text.size());
  const RE2 expression(pattern);
  for (std::string match; RE2::FindAndConsume(&rest, expression, &match);) found.insert(match);
  return found;
}

// The family that a series belongs to: histograms have three kinds of them.
const Family* FamilyOf(absl::string_view series) {
  if (const Family* family = FindFamily(series); family != nullptr && family->type != Type::kHistogram) return family;
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    if (!absl::EndsWith(series, suffix)) continue;
    const Family* family = FindFamily(absl::StripSuffix(series, suffix));
    if (family != nullptr && family->type == Type::kHistogram) return family;
  }
  return nullptr;
}

// The expressions of both files, one a line.
std::string Expressions() {
  std::string all;
  for (const absl::string_view line : absl::StrSplit(Read("alerts.yaml"), '\n')) {
    if (absl::StartsWith(line, "    expr: ")) absl::StrAppend(&all, line, "\n");
  }
  const auto dashboard = nlohmann::json::parse(Read("dashboard.json"));
  for (const auto& panel : dashboard["panels"]) {
    for (const auto& target : panel.value("targets", nlohmann::json::array()))
      absl::StrAppend(&all, target["expr"].get<std::string>(), "\n");
  }
  return all;
}

TEST(MonitoringTest, NamesOnlyMetricsThatExist) {
  std::set<std::string> used;
  for (const std::string& series : AllMatches(Expressions(), R"(\b(twi_[a-z_]+))")) {
    const Family* family = FamilyOf(series);
    ASSERT_NE(family, nullptr) << series << " is not in the table of common/metrics";
    used.insert(family->name);
  }
  // Prometheus' own name, hence not in our table: the one of its kind that daemons show.
  EXPECT_EQ(AllMatches(Expressions(), R"(\b(process_[a-z_]+))"), std::set<std::string>{"process_start_time_seconds"});
  for (const Family& family : Families())
    EXPECT_EQ(used.count(family.name), 1u) << family.name << ": nobody looks at it";
}

TEST(MonitoringTest, NamesOnlyReasonsOfTheClosedList) {
  int reasons = 0;
  for (const std::string& list : AllMatches(Expressions(), R"re(reason=~?"([^"]*)")re")) {
    for (const absl::string_view name : absl::StrSplit(list, '|')) {
      v1::DenyReason reason = v1::DENY_REASON_UNSPECIFIED;
      EXPECT_TRUE(v1::DenyReason_Parse(absl::StrCat("DENY_REASON_", name), &reason)) << name;
      ++reasons;
    }
  }
  EXPECT_GT(reasons, 10);
}

TEST(MonitoringTest, EveryAlertHasARunbookLine) {
  const std::string alerts = Read("alerts.yaml");
  const auto count = [&](const char* pattern) {
    int n = 0;
    for (const absl::string_view line : absl::StrSplit(alerts, '\n')) n += RE2::FullMatch(std::string(line), pattern);
    return n;
  };
  const int rules = count("  - alert: Twi[A-Za-z]+");
  EXPECT_GT(rules, 10);
  EXPECT_EQ(count("      runbook: '.{30,}'"), rules);
  EXPECT_EQ(count("      summary: '.{10,}'"), rules);
  EXPECT_EQ(count("    labels: \\{severity: (critical|warning)\\}"), rules);
}

TEST(MonitoringTest, PanelsDoNotOverlap) {
  const auto dashboard = nlohmann::json::parse(Read("dashboard.json"));
  std::set<std::pair<int, int>> taken;
  std::set<int> ids;
  for (const auto& panel : dashboard["panels"]) {
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second);
    const auto& at = panel["gridPos"];
    for (int x = at["x"]; x < at["x"].get<int>() + at["w"].get<int>(); ++x) {
      for (int y = at["y"]; y < at["y"].get<int>() + at["h"].get<int>(); ++y) {
        EXPECT_LT(x, 24);
        EXPECT_TRUE(taken.insert({x, y}).second) << panel["title"];
      }
    }
  }
}

}  // namespace
}  // namespace twi::metrics
