#include "common/dev_snp/dev_snp.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/crypto/x509.h"
#include "common/status/deny.h"
#include "gtest/gtest.h"

namespace twi {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795000000);

const DevSnpChain& Chain() {  // RSA keys are slow to make: once
  static const DevSnpChain* chain = [] {
    crypto::SystemRandom random;
    auto generated = DevSnpChain::Generate(kNow, random);
    if (!generated.ok()) abort();
    return new DevSnpChain(*std::move(generated));
  }();
  return *chain;
}

DevSnpReportParams Params() {
  DevSnpReportParams params;
  params.report_data = std::string(64, 'd');
  params.measurement = std::string(48, 'm');
  return params;
}

std::string TempDir() {
  std::string path = std::string(getenv("TEST_TMPDIR")) + "/devsnpXXXXXX";
  return mkdtemp(path.data());
}

crypto::Certificate Parse(const std::string& der) { return crypto::ParseCertificate(der).value(); }

TEST(DevSnpChain, ChainsToAnArkThatSaysWhatItIs) {
  const crypto::Certificate ark = Parse(Chain().ark_der()), ask = Parse(Chain().ask_der()),
                            vcek = Parse(Chain().vcek_der());
  EXPECT_EQ(ark.subject_common_name, kDevArkCommonName);
  crypto::PathOptions options;
  options.now = kNow;
  const auto path = crypto::BuildPath(vcek, {ask}, {ark}, options);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(path->size(), 3u);
  EXPECT_EQ(vcek.Find("1.3.6.1.4.1.3704.1.4")->value, Chain().chip_id());
  EXPECT_EQ(vcek.Find("1.3.6.1.4.1.3704.1.2")->value, std::string("\x16\x08Milan-B0"));
  EXPECT_EQ(vcek.Find("1.3.6.1.4.1.3704.1.3.8")->value,
            std::string("\x02\x02\x00\xd5", 4));  // 213 needs its leading zero
}

TEST(DevSnpChain, ReportVerifiesUnderTheVcek) {
  for (const std::uint32_t version : {2u, 3u, 5u}) {
    DevSnpReportParams params = Params();
    params.version = version;
    const auto report = Chain().MakeReport(params);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(report->size(), 1184u);
    std::string r = report->substr(0x2A0, 48), s = report->substr(0x2A0 + 72, 48);
    std::reverse(r.begin(), r.end());
    std::reverse(s.begin(), s.end());
    const crypto::PublicKey key = Parse(Chain().vcek_der()).public_key;
    EXPECT_TRUE(key.Verify(crypto::SignatureAlgorithm::kEcdsaP384Sha384Raw, report->substr(0, 0x2A0), r + s).ok());
    EXPECT_EQ(report->substr(0x50, 64), params.report_data);
    EXPECT_EQ(report->substr(0x90, 48), params.measurement);
    EXPECT_EQ(report->substr(0x1A0, 64), Chain().chip_id());
    EXPECT_EQ((*report)[0x188], version == 2 ? 0 : 0x19);  // no CPUID before version 3
    EXPECT_EQ(report->substr(0x2A0 + 48, 24), std::string(24, '\0'));
  }
}

TEST(DevSnpChain, RefusesWrongSizes) {
  DevSnpReportParams params = Params();
  params.report_data = "short";
  EXPECT_FALSE(Chain().MakeReport(params).ok());
  params = Params();
  params.version = 4;
  EXPECT_FALSE(Chain().MakeReport(params).ok());
  params = Params();
  params.vmpl = 4;
  EXPECT_FALSE(Chain().MakeReport(params).ok());
}

TEST(DevSnpChain, SurvivesWritingAndReading) {
  const std::string dir = TempDir();
  ASSERT_TRUE(Chain().Write(dir + "/chain").ok());
  struct stat info {};
  ASSERT_EQ(stat((dir + "/chain/vcek.key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto read = DevSnpChain::Read(dir + "/chain");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->vcek_der(), Chain().vcek_der());
  EXPECT_EQ(read->chip_id(), Chain().chip_id());
  EXPECT_EQ(read->MakeReport(Params())->substr(0, 0x2A0), Chain().MakeReport(Params())->substr(0, 0x2A0));
}

TEST(DevSnpChain, NeverOverwrites) {
  const std::string dir = TempDir();
  ASSERT_TRUE(Chain().Write(dir).ok());
  EXPECT_EQ(DenyReasonOf(Chain().Write(dir)), v1::DENY_REASON_CONFIG_INVALID);
}

TEST(DevSnpChain, RefusesAReadableKeyAMissingFileAndAnotherKey) {
  const std::string dir = TempDir();
  ASSERT_TRUE(Chain().Write(dir).ok());
  ASSERT_EQ(chmod((dir + "/vcek.key.pem").c_str(), 0640), 0);
  EXPECT_EQ(DenyReasonOf(DevSnpChain::Read(dir).status()), v1::DENY_REASON_CONFIG_INVALID);
  ASSERT_EQ(unlink((dir + "/vcek.key.pem").c_str()), 0);
  EXPECT_EQ(DenyReasonOf(DevSnpChain::Read(dir).status()), v1::DENY_REASON_CONFIG_INVALID);
  const SecretBytes other = crypto::PrivateKey::Generate(crypto::KeyType::kP384)->ToPem();
  FILE* file = fopen((dir + "/vcek.key.pem").c_str(), "w");
  fwrite(other.reveal().data(), 1, other.size(), file);
  fclose(file);
  chmod((dir + "/vcek.key.pem").c_str(), 0600);
  EXPECT_EQ(DenyReasonOf(DevSnpChain::Read(dir).status()), v1::DENY_REASON_CONFIG_INVALID);
}

}  // namespace
}  // namespace twi
