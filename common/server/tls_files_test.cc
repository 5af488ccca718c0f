// A server's own certificate and key as files, through their life.
#include "common/server/tls_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/log/log.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "common/testing/test_pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/twi/config/v1/common.pb.h"

namespace twi::server {
namespace {

using testing::FakeClock;
using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TestPki;

constexpr char kId[] = "spiffe://test.example/twi/echo";

class TlsFilesTest : public ::testing::Test {
 protected:
  TlsFilesTest() : pki_(clock_.Now()), tls_(pki_.Issue("server", kId)) {}
  absl::Status Open() { return TlsFiles::Open(tls_, clock_, {}).status(); }
  FakeClock clock_;
  TestPki pki_;
  config::v1::Tls tls_;
};

TEST_F(TlsFilesTest, OpensAGoodPair) {
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
  EXPECT_EQ(files->spiffe_id(), kId);
  EXPECT_EQ(files->bundle()->anchors.size(), 1u);
}
// Files in memory that hold a pair of a TlsFiles of this process.
int PairsInMemory() {
  int pairs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (absl::StrContains(std::filesystem::read_symlink(entry.path(), gone).string(), "memfd:twi-tls")) ++pairs;
  }
  return pairs;
}
TEST_F(TlsFilesTest, LeavesNoKeyBehind) {
  const int before = PairsInMemory();
  {
    ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
    EXPECT_EQ(PairsInMemory(), before + 1);
    ASSERT_NE(files->provider(), nullptr);
    EXPECT_EQ(files->provider(), files->provider()) << "made once";
  }
  EXPECT_EQ(PairsInMemory(), before);
  tls_.set_trust_bundle_file("/nonexistent");
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(PairsInMemory(), before) << "a start that failed";
}
TEST_F(TlsFilesTest, AClockThatIsSetBackDoesNotStopTheTries) {
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
  const std::string key = files->key_sha256();
  TestPki::Options past;
  past.starts = -absl::Hours(3);
  past.ends = -absl::Hours(1);
  pki_.Issue("server", kId, past);
  files->Refresh();
  EXPECT_EQ(files->key_sha256(), key) << "the new one has expired";
  clock_.Advance(-absl::Hours(2));
  files->Refresh();
  EXPECT_NE(files->key_sha256(), key) << "the files are the same, but good now";
}
TEST_F(TlsFilesTest, RefusesAKeyThatOthersMayRead) {
  chmod(tls_.key_file().c_str(), 0640);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("group or others may read")));
}
TEST_F(TlsFilesTest, RefusesAKeyOfAnotherCertificate) {
  pki_.dir().Write("server.key", pki_.Make(kId, {}).key_pem);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("is not the key of the certificate")));
}
TEST_F(TlsFilesTest, RefusesExpired) {
  clock_.Advance(absl::Hours(25));
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("expired at 2026-11-22T12:00:00")));
}
TEST_F(TlsFilesTest, RefusesMissingFilesAndFields) {
  tls_.set_trust_bundle_file("/nonexistent");
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("No such file")));
  tls_.clear_key_file();
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("tls.key_file")));
}
TEST_F(TlsFilesTest, RefusesABundleThatHoldsALeaf) {
  pki_.dir().Write("ca.crt", pki_.Make(kId, {}).certificate_pem);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("no CA")));
  pki_.dir().Write("ca.crt", "");
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID));
}
TEST_F(TlsFilesTest, RefusesTwoNames) {
  TestPki::Options options;
  options.uri_sans = {{kId, kId}};
  tls_ = pki_.Issue("server", kId, options);
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_CONFIG_INVALID, HasSubstr("exactly one URI SAN, got 2")));
}
TEST_F(TlsFilesTest, KeepsTheLastGoodOfEach) {
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, {}));
  const std::string key = files->key_sha256();
  const auto next = pki_.Make(kId, {});
  pki_.dir().Write("server.crt", next.certificate_pem);  // its key is not there yet
  pki_.dir().Write("ca.crt", "rubbish");
  files->Refresh();
  EXPECT_EQ(files->key_sha256(), key);
  EXPECT_EQ(files->bundle()->generation, 1u);
  pki_.dir().Write("server.key", next.key_pem);
  pki_.dir().Write("ca.crt", pki_.ca_pem());
  files->Refresh();
  EXPECT_EQ(files->key_sha256(), next.key_sha256);
  EXPECT_EQ(files->bundle()->generation, 2u);
}

// Said when it is first near, then each minute, and louder than nothing when it is over.
TEST_F(TlsFilesTest, WarnsOfTheEndOfTheCertificate) {
  testing::TempDir dir;
  config::v1::Log to_file;
  to_file.set_file(dir.File("log"));
  ASSERT_OK(log::Init(to_file, "echo"));
  TlsFiles::Options options;
  options.expiry_warning = absl::Hours(2);
  ASSERT_OK_AND_ASSIGN(const auto files, TlsFiles::Open(tls_, clock_, options));
  const auto warnings_after = [&](absl::Duration passed) {
    clock_.Advance(passed);
    files->Refresh();
    files->Refresh();  // nothing new within the minute
    std::vector<std::string> warnings;
    for (absl::string_view line : absl::StrSplit(dir.Read("log"), '\n', absl::SkipEmpty())) {
      const auto parsed = nlohmann::json::parse(std::string(line));
      EXPECT_EQ(parsed["level"], "error");
      EXPECT_EQ(parsed["file"], tls_.certificate_file());
      EXPECT_EQ(parsed["not_after"], "2026-11-22T12:00:00+00:00");
      warnings.push_back(parsed["event"]);
    }
    return warnings;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(warnings_after(absl::Hours(22) - absl::Seconds(1)), ElementsAre());
  EXPECT_THAT(warnings_after(absl::Minutes(1)), ElementsAre("certificate_expires_soon"));
  EXPECT_THAT(warnings_after(absl::Minutes(1)), ElementsAre("certificate_expires_soon", "certificate_expires_soon"));
  EXPECT_THAT(warnings_after(absl::Hours(2)),
              ElementsAre("certificate_expires_soon", "certificate_expires_soon", "certificate_expired"));
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
}

}  // namespace
}  // namespace twi::server
