#include "common/log/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/log/json_line.h"
#include "common/secret/secret_bytes.h"
#include "common/status/deny.h"
#include "common/trace/trace.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace twi::log {
namespace {

// Logging a secret must not compile (style H14): there is no way from SecretBytes into a field's value.
static_assert(!std::is_convertible_v<SecretBytes, std::string>);
static_assert(!std::is_convertible_v<SecretBytes, absl::string_view>);
static_assert(!std::is_constructible_v<std::string, const SecretBytes&>);

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char dir[] = "/tmp/twi_log_XXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    dir_ = dir;
  }
  void TearDown() override {
    ASSERT_TRUE(Init(config::v1::Log(), "test").ok());  // lets go of the file
    std::remove(Path().c_str());
    rmdir(dir_.c_str());
  }
  std::string Path() const { return dir_ + "/log"; }
  void Start(const std::string& level) {
    config::v1::Log config;
    config.set_level(level);
    config.set_file(Path());
    ASSERT_TRUE(Init(config, "verifier").ok());
  }
  std::vector<nlohmann::json> Lines() const {
    std::vector<nlohmann::json> lines;
    std::ifstream in(Path());
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
  std::string dir_;
};

std::string Escaped(absl::string_view text) {
  std::string out;
  AppendJsonString(text, out);
  return out;
}

TEST(JsonLineTest, EscapesWhatCouldEndTheStringOrTheLine) {
  EXPECT_EQ(Escaped("plain"), "\"plain\"");
  EXPECT_EQ(Escaped("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Escaped("a\nb\r\t"), "\"a\\nb\\r\\t\"");
  EXPECT_EQ(Escaped(absl::string_view("\0\x1b\x7f", 3)), "\"\\u0000\\u001b\\u007f\"");
  EXPECT_EQ(Escaped("\xE2\x80\xA8\xE2\x80\xA9"), "\"\\u2028\\u2029\"");
  EXPECT_EQ(Escaped("\xC3\xA9\xF0\x9F\x98\x80"), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
}

TEST(JsonLineTest, ReplacesBytesThatAreNotUtf8) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(Escaped("\xFF"), "\"" + r + "\"");
  EXPECT_EQ(Escaped("\xC0\xAF"), "\"" + r + r + "\"");                  // overlong
  EXPECT_EQ(Escaped("\xED\xA0\x80"), "\"" + r + r + r + "\"");          // surrogate
  EXPECT_EQ(Escaped("\xF4\x90\x80\x80"), "\"" + r + r + r + r + "\"");  // over U+10FFFF
  EXPECT_EQ(Escaped("a\xE2\x82"), "\"a" + r + r + "\"");                // cut short
}

TEST(JsonLineTest, EveryPairOfBytesGivesParsableJson) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const char bytes[2] = {static_cast<char>(a), static_cast<char>(b)};
      const std::string text = Escaped(absl::string_view(bytes, 2));
      ASSERT_TRUE(nlohmann::json::accept(text)) << a << " " << b;
      ASSERT_EQ(text.find('\n'), std::string::npos);
    }
  }
}

TEST(JsonLineTest, WritesTimeInUtcWithMicroseconds) {
  std::string out;
  AppendTimestamp(1795254940123456, out);
  EXPECT_EQ(out, "2026-11-21T09:55:40.123456Z");
  out.clear();
  AppendTimestamp(-5, out);
  EXPECT_EQ(out, "1970-01-01T00:00:00.000000Z");
}

TEST_F(LogTest, LineCarriesServiceEventAndFields) {
  Start("info");
  Warn("insecure_setting", {{"field", "a\nb"}, {"detail", "\xFF"}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["service"], "verifier");
  EXPECT_EQ(lines[0]["level"], "warn");
  EXPECT_EQ(lines[0]["event"], "insecure_setting");
  EXPECT_EQ(lines[0]["field"], "a\nb");
  EXPECT_EQ(lines[0]["detail"], "\xEF\xBF\xBD");
  EXPECT_FALSE(lines[0].contains("audit"));
}

TEST_F(LogTest, LineInsideAScopeCarriesTheTraceId) {
  Start("info");
  const trace::Trace trace = trace::NewTrace();
  {
    const trace::Scope scope(trace);
    Audit("issued", {});
  }
  Warn("outside", {});
  ASSERT_EQ(Lines().size(), 2u);
  EXPECT_EQ(Lines()[0]["trace_id"], std::string(trace.id_view()));
  EXPECT_FALSE(Lines()[1].contains("trace_id"));
}

TEST_F(LogTest, HostileFieldCannotForgeALine) {
  Start("info");
  Audit("refused", {{"peer", "x\"}\n{\"audit\":true,\"event\":\"issued\""}});
  ASSERT_EQ(Lines().size(), 1u);
  EXPECT_EQ(Lines()[0]["event"], "refused");
}

TEST_F(LogTest, LevelHoldsBackButNotAudit) {
  Start("error");
  Info("listening");
  Warn("w");
  Audit("issued", {{"serial", "01"}});
  Error("e");
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["event"], "issued");
  EXPECT_EQ(lines[0]["audit"], true);
  EXPECT_EQ(lines[1]["event"], "e");
}

TEST_F(LogTest, AuditLineIsInTheFileAtOnce) {
  Start("info");
  Info("buffered");  // may wait
  Audit("released", {});
  EXPECT_EQ(Lines().back()["event"], "released");
}

TEST_F(LogTest, FileIsForItsOwnerOnly) {
  Start("info");
  struct stat st {};
  ASSERT_EQ(stat(Path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(LogTest, RefusesUnknownLevel) {
  config::v1::Log config;
  config.set_level("trace");
  EXPECT_EQ(DenyReasonOf(Init(config, "x")), v1::DENY_REASON_CONFIG_INVALID);
}

TEST_F(LogTest, RefusesFileThatCannotBeOpened) {
  config::v1::Log config;
  config.set_file(dir_ + "/missing/dir\0x");
  config.set_file("/proc/nope/log");
  EXPECT_EQ(DenyReasonOf(Init(config, "x")), v1::DENY_REASON_CONFIG_INVALID);
}

TEST_F(LogTest, LinesFromManyThreadsStayWhole) {
  Start("info");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) Audit("mapped", {{"detail", std::string(300, 'x')}});
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(Lines().size(), 800u);
}

double ThreadCpuMicros() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

// Not a limit (the machine is shared), a number to look at: thread CPU time; the target is 3 us for an audit line (-c
// opt).
TEST_F(LogTest, CostOfAnAuditLine) {
  Start("info");
  const double start = ThreadCpuMicros();
  constexpr int kLines = 20000;
  for (int i = 0; i < kLines; ++i) {
    Audit("refused", {{"rpc", "MapClaims"},
                      {"peer", "spiffe://example.org/twi/verifier"},
                      {"reason", "CHALLENGE_EXPIRED"},
                      {"detail", "issued 301 s ago, life is 300 s"}});
  }
  const double us = (ThreadCpuMicros() - start) / kLines;
  RecordProperty("microseconds_per_line", absl::StrCat(us));
  std::printf("%.2f us per audit line\n", us);
  EXPECT_EQ(Lines().size(), static_cast<std::size_t>(kLines));
}

}  // namespace
}  // namespace twi::log
