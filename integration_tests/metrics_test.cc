// Every daemon's metrics as a scraper gets them, after acquisitions and refusals; and promtool over the real
// exposition.
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "integration_tests/deployment_fixture.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;

constexpr char kPromtool[] = "/usr/bin/promtool";

class MetricsTest : public ::testing::Test {
 protected:
  static std::string Section(const std::string& indent, const std::string& socket) {
    return absl::StrCat(indent, "metrics: {listen: \"unix:", socket, "\", peers: [\"uid:", getuid(), "\"]}\n");
  }
  std::string Socket(const std::string& name) const { return deployment_.File("run/m-" + name); }
  void GiveSocket(const std::string& daemon) const {
    deployment_.Edit("config/" + daemon + ".yaml", "\nserver:\n", "\nserver:\n" + Section("  ", Socket(daemon)));
  }
  std::string Scrape(const std::string& name) const {
    const Finished curl = integration::Run({"/usr/bin/curl", "--silent", "--show-error", "--fail", "--max-time", "10",
                                            "--unix-socket", Socket(name), "http://localhost/metrics"});
    EXPECT_EQ(curl.exit_code, 0) << name << ": " << curl.err;
    return curl.out;
  }
  void ExpectGoodExposition(const std::string& name, const std::string& text) const {
    if (!std::filesystem::exists(kPromtool)) return;
    const std::string file = deployment_.File("run/" + name + ".prom");
    deployment_.Write("run/" + name + ".prom", text);
    const Finished checked = integration::Run({"/bin/sh", "-c", absl::StrCat(kPromtool, " check metrics < ", file)});
    EXPECT_EQ(checked.exit_code, 0) << name << ": " << checked.out << checked.err;
    EXPECT_EQ(checked.out + checked.err, "") << name;
  }

  Deployment deployment_;
};

TEST_F(MetricsTest, EveryDaemonCountsWhatItDid) {
  for (const std::string& daemon : kDaemons) GiveSocket(daemon);
  deployment_.StartAll();
  ASSERT_EQ(deployment_.RunAgent("B-snp").exit_code, 0);
  ASSERT_EQ(deployment_.RunAgent("B-snp-unauthorized").exit_code, 1);
  for (const std::string& daemon : kDaemons) {
    const std::string text = Scrape(daemon);
    EXPECT_THAT(text, HasSubstr("twi_build_info{service=")) << daemon;
    EXPECT_THAT(text, HasSubstr("\ntwi_ready 1\n")) << daemon;
    EXPECT_THAT(text, HasSubstr("\ntwi_certificate_expiry_timestamp_seconds 1")) << daemon;
    EXPECT_THAT(text, HasSubstr("\ntwi_store_commit_duration_seconds_count ")) << daemon;
    EXPECT_THAT(text, HasSubstr("twi_refusals_total{reason=\"OVERLOADED\"} 0\n")) << daemon;
    ExpectGoodExposition(daemon, text);
  }
  const std::string verifier = Scrape(kVerifier);
  EXPECT_THAT(verifier, HasSubstr("twi_rpc_requests_total{outcome=\"OK\",rpc=\"Appraise\"} 1\n"));
  EXPECT_THAT(verifier, HasSubstr("twi_rpc_requests_total{outcome=\"MEASUREMENT_UNKNOWN\",rpc=\"Appraise\"} 1\n"));
  EXPECT_THAT(verifier, HasSubstr("twi_refusals_total{reason=\"MEASUREMENT_UNKNOWN\"} 1\n"));
  EXPECT_THAT(verifier, HasSubstr("twi_rpc_duration_seconds_count{rpc=\"Appraise\"} 2\n"));
  EXPECT_THAT(verifier, ::testing::ContainsRegex("twi_evidence_appraised_total\\{chip_family=\"(Milan|Genoa|Turin)\","
                                                 "format=\"sev-snp\",outcome=\"OK\"\\} 1\n"));
  EXPECT_THAT(verifier, ::testing::ContainsRegex("twi_evidence_appraised_total\\{chip_family=\"[A-Za-z]+\","
                                                 "format=\"sev-snp\",outcome=\"MEASUREMENT_UNKNOWN\"\\} 1\n"));
  EXPECT_THAT(verifier, HasSubstr("\ntwi_challenges_remembered 2\n"));
  EXPECT_THAT(verifier, HasSubstr("\ntwi_challenges_capacity 1000000\n"));
  const std::string authority = Scrape(kCredentialAuthority);
  EXPECT_THAT(authority, HasSubstr("twi_rpc_requests_total{outcome=\"OK\",rpc=\"IssueFromResults\"} 1\n"));
  EXPECT_THAT(authority, HasSubstr("\ntwi_issuing_certificate_expiry_timestamp_seconds 1"));
  EXPECT_THAT(authority, ::testing::Not(HasSubstr("\ntwi_store_commit_writes_total 0\n")));
  EXPECT_THAT(Scrape(kClaimsMapper), HasSubstr("twi_rpc_requests_total{outcome=\"OK\",rpc=\"MapClaims\"} 1\n"));
  if (!std::filesystem::exists(kPromtool)) GTEST_SKIP() << "promtool is not installed: the exposition was not checked";
}

TEST_F(MetricsTest, RestRequestsCountToo) {
  GiveSocket(kVerifier);
  deployment_.Append("config/verifier.yaml",
                     absl::StrCat("rest:\n  http:\n    listen: ", deployment_.host(), ":8451\n    tls:\n",
                                  "      certificate_file: ", deployment_.File("tls/verifier.pem"),
                                  "\n      key_file: ", deployment_.File("tls/verifier.key.pem"),
                                  "\n      trust_bundle_file: ", deployment_.File("tls/ca.pem"),
                                  "\n    allow:\n      - {rpc: Discovery, peers: [", kPayrollOwner, "]}\n"));
  deployment_.Start(kVerifier);
  const auto status = [this](const std::string& path) {
    return integration::Run({"/usr/bin/curl", "--silent", "--max-time", "10", "--output", "/dev/null", "--write-out",
                             "%{http_code}", "--insecure", "--cert", deployment_.File("owners/payroll.pem"), "--key",
                             deployment_.File("owners/payroll.key.pem"), "--request", path[0] == '+' ? "POST" : "GET",
                             absl::StrCat("https://", deployment_.host(), ":8451", path.substr(1))})
        .out;
  };
  EXPECT_EQ(status(" /.well-known/veraison/verification"), "200");
  EXPECT_EQ(status("+/challenge-response/v1/newSession"), "403") << "not on the allow-list";
  const std::string text = Scrape(kVerifier);
  EXPECT_THAT(text, HasSubstr("twi_rpc_requests_total{outcome=\"OK\",rpc=\"rest:Discovery\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("twi_rpc_requests_total{outcome=\"PEER_NOT_ALLOWED\",rpc=\"rest:NewSession\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("twi_refusals_total{reason=\"PEER_NOT_ALLOWED\"} 1\n"));
}

TEST_F(MetricsTest, TheAgentShowsTheEndOfItsOwnCertificate) {
  deployment_.StartAll();
  const std::string name = "config/agent-A-snp.yaml", files = deployment_.File("tls/verifier");
  deployment_.Edit(name, absl::StrCat("attested_key: {}\ntrust_bundle_file: ", deployment_.File("tls/ca.pem"), "\n"),
                   absl::StrCat("platform_certificate: {certificate_file: ", files, ".pem, key_file: ", files,
                                ".key.pem, trust_bundle_file: ", deployment_.File("tls/ca.pem"), "}\n"));
  deployment_.Append(name, Section("", Socket("A-snp")));
  const Process agent = deployment_.StartAgent("A-snp");
  ASSERT_TRUE(WaitUntil([&] { return !deployment_.LogLines("agent-A-snp", "next_attempt").empty(); }));
  EXPECT_THAT(Scrape("A-snp"), HasSubstr("\ntwi_certificate_expiry_timestamp_seconds 1"));
}

TEST_F(MetricsTest, TheAgentShowsItsCredential) {
  deployment_.StartAll();
  for (const char* name : {"B-snp", "B-snp-unauthorized"})
    deployment_.Append(absl::StrCat("config/agent-", name, ".yaml"), Section("", Socket(name)));
  {
    const Process agent = deployment_.StartAgent("B-snp");
    ASSERT_TRUE(WaitUntil([&] { return !deployment_.LogLines("agent-B-snp", "next_attempt").empty(); }));
    const std::string text = Scrape("B-snp");
    EXPECT_THAT(text, HasSubstr("twi_credential_acquisitions_total{mechanism=\"B\",outcome=\"OK\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\ntwi_credential_expiry_timestamp_seconds 1"));
    EXPECT_THAT(text, HasSubstr("\ntwi_ready 1\n"));
    EXPECT_THAT(text, HasSubstr("twi_credential_renewal_failures_total{mechanism=\"B\"} 0\n"));
    EXPECT_THAT(text, ::testing::Not(HasSubstr("\ntwi_certificate_expiry_timestamp_seconds ")))
        << "its key is new each time";
    ExpectGoodExposition("B-snp", text);
  }
  const Process agent = deployment_.StartAgent("B-snp-unauthorized");
  ASSERT_TRUE(WaitUntil([&] { return !deployment_.LogLines("agent-B-snp-unauthorized", "next_attempt").empty(); }));
  const std::string text = Scrape("B-snp-unauthorized");
  EXPECT_THAT(text, HasSubstr("twi_credential_acquisitions_total{mechanism=\"B\",outcome=\"MEASUREMENT_UNKNOWN\"} "));
  EXPECT_THAT(text, HasSubstr("\ntwi_credential_expiry_timestamp_seconds 0\n"));
  EXPECT_THAT(text, HasSubstr("\ntwi_ready 0\n"));
  EXPECT_THAT(text, HasSubstr("twi_credential_renewal_failures_total{mechanism=\"B\"} 0\n")) << "none was held";
}

TEST_F(MetricsTest, RefusesPlaintextTcp) {
  for (const std::string listen : {"127.0.0.1:9464", "0.0.0.0:0"}) {
    deployment_.Edit(
        "config/claims_mapper.yaml", "\nserver:\n",
        "\nserver:\n  metrics: {listen: \"" + listen + "\", peers: [\"spiffe://example.org/prometheus\"]}\n");
    const Finished run = integration::Run(
        {Runfile("services/claims_mapper/claims_mapper"), "--config", deployment_.File("config/claims_mapper.yaml")});
    EXPECT_EQ(run.exit_code, 2) << run.out;
    EXPECT_THAT(run.err, HasSubstr("metrics.tls"));
    deployment_.Edit("config/claims_mapper.yaml",
                     "  metrics: {listen: \"" + listen + "\", peers: [\"spiffe://example.org/prometheus\"]}\n", "");
  }
}

}  // namespace
}  // namespace twi::integration
