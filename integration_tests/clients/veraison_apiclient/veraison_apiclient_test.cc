// Veraison's own Go client, unmodified, against our Verifier daemon. It is built here, from its module's published
// source (go.sum holds its hashes; nothing of it is in this tree), so this needs Go, and a module cache or the network:
// where these are not, the test is skipped, saying so.
#include <climits>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/encoding/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration_tests/deployment.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;

constexpr char kOwner[] = "spiffe://example.org/owner/payroll";
constexpr char kFolder[] = "integration_tests/clients/veraison_apiclient/";
constexpr int kMissing = 77;  // tools/go.sh: no Go here, or no modules

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The module's folder in the source tree: Go follows no links out of a module.
std::string SourceFolder() {
  char real[PATH_MAX];
  const std::string path = Runfile(absl::StrCat(kFolder, "go.mod"));
  if (realpath(path.c_str(), real) == nullptr) return "";
  const std::string file(real);
  return file.substr(0, file.rfind('/'));
}

class VeraisonApiclientTest : public ::testing::Test {
 protected:
  // Says why when Go or the modules are missing. What was fetched must be what go.sum says, and must build.
  static std::string Build(const std::string& binary) {
    std::vector<std::string> environment = {"GOFLAGS=-mod=readonly -modcacherw -buildvcs=false", "GOTOOLCHAIN=local"};
    const std::string home = Environment("HOME").empty() ? Environment("TEST_TMPDIR") : Environment("HOME");
    environment.push_back("HOME=" + home);
    environment.push_back("GOCACHE=" + Environment("TEST_TMPDIR") + "/go-build");
    for (const char* name : {"GOMODCACHE", "GOPROXY", "GONOSUMDB", "GOSUMDB", "HTTPS_PROXY", "SSL_CERT_FILE"}) {
      if (!Environment(name).empty()) environment.push_back(absl::StrCat(name, "=", Environment(name)));
    }
    const auto go = [&environment](std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(),
                       {"/usr/bin/env", "--chdir=" + SourceFolder(), "/bin/bash", Runfile("tools/go.sh")});
      return integration::Run(arguments, environment, absl::Minutes(4));
    };
    const Finished fetched = go({"fetch"});
    if (fetched.exit_code == kMissing) return fetched.out;
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    const Finished built = go({"build", "-o", binary, "main.go"});
    EXPECT_EQ(built.exit_code, 0) << built.err;
    return "";
  }

  // The Verifier with its REST listener; the URL of newSession.
  std::string StartVerifier() {
    const std::string host = deployment_.address(kVerifier).substr(0, deployment_.address(kVerifier).rfind(':'));
    std::string rest = absl::StrCat("rest:\n  http:\n    listen: ", host,
                                    ":0\n    tls:\n      certificate_file: ", deployment_.File("tls/verifier.pem"),
                                    "\n      key_file: ", deployment_.File("tls/verifier.key.pem"),
                                    "\n      trust_bundle_file: ", deployment_.File("tls/ca.pem"), "\n    allow:\n");
    for (const char* route : {"NewSession", "SubmitEvidence", "GetSession", "DeleteSession", "Discovery"})
      absl::StrAppend(&rest, "      - {rpc: ", route, ", peers: [", kOwner, "]}\n");
    deployment_.Append("config/verifier.yaml", rest);
    deployment_.Start(kVerifier);
    // gRPC listens first, and Start waits for no more than that.
    EXPECT_TRUE(WaitUntil([this] { return !deployment_.LogLines(kVerifier, "listening_https").empty(); }));
    const auto lines = deployment_.LogLines(kVerifier, "listening_https");
    return absl::StrCat("https://", host, ":", lines.empty() ? "0" : lines[0].at("port").get<std::string>(),
                        "/challenge-response/v1/newSession");
  }

  // As configfs-tsm gives it: the report, and the table of certificates that came with it.
  std::string TsmReport(const std::string& nonce) const {
    DevSnpReportParams params;
    params.report_data = nonce;
    params.measurement = deployment_.Measurement("payroll-1.2.0");
    const auto report = deployment_.snp_chain().MakeReport(params);
    EXPECT_TRUE(report.ok());
    return absl::StrCat(R"({"provider":"sev_guest\n","outblob":")", ToBase64Url(*report), R"(","auxblob":")",
                        ToBase64Url(CertificateTable()), "\"}");
  }
  std::string CertificateTable() const {
    const std::pair<const char*, const std::string&> entries[] = {
        {"63da758de6644564adc5f4b93be8accd", deployment_.snp_chain().vcek_der()},
        {"4ab7b379bbac4fe4a02f05aef327c782", deployment_.snp_chain().ask_der()},
        {"c0b406a4a803495297433fb6014cd0ae", deployment_.snp_chain().ark_der()}};
    std::string table, data;
    const auto append32 = [&table](std::size_t value) {
      for (int shift = 0; shift < 32; shift += 8) table.push_back(static_cast<char>((value >> shift) & 0xFF));
    };
    for (const auto& [guid, certificate] : entries) {
      table += *FromHex(guid);
      append32(4 * 24 + data.size());
      append32(certificate.size());
      data += certificate;
    }
    return table + std::string(24, '\0') + data;
  }

  Deployment deployment_;
};

TEST_F(VeraisonApiclientTest, DrivesTheVerifierUnmodified) {
  const std::string binary = Environment("TEST_TMPDIR") + "/veraison_apiclient";
  if (const std::string why = Build(binary); !why.empty()) GTEST_SKIP() << "not tested: " << why;
  const std::string url = StartVerifier();
  const std::string nonce =
      std::string("\xfb\xff\x3e\x01", 4) + std::string(60, '\x7f');  // both alphabets differ on it
  deployment_.Write("out/evidence.json", TsmReport(nonce));
  const Finished done = integration::Run(
      {binary, url, deployment_.File("tls/ca.pem"), deployment_.File("owners/payroll.pem"),
       deployment_.File("owners/payroll.key.pem"), kVerifierId, ToHex(nonce), deployment_.File("out/evidence.json")});
  EXPECT_EQ(done.exit_code, 0) << done.err << deployment_.Read("log/verifier.log");
  EXPECT_THAT(done.out, HasSubstr("refused Evidence over another nonce"));
  EXPECT_THAT(done.out, HasSubstr("refused a short nonce"));
  int results = 0;
  for (const absl::string_view line : absl::StrSplit(done.out, '\n')) results += absl::StartsWith(line, "results ");
  EXPECT_EQ(results, 3) << "plain, CMW in JSON, CMW in CBOR";
  EXPECT_EQ(deployment_.LogLines(kVerifier, "appraised").size(), 3u);
  EXPECT_EQ(deployment_.Stop(kVerifier), 0);
}

}  // namespace
}  // namespace twi::integration
