#include "services/twictl/dev_pki.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "common/client/channel.h"
#include "common/crypto/x509.h"
#include "common/dev_snp/dev_snp.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace twi::twictl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DevPkiTest : public ::testing::Test {
 protected:
  int Make(std::vector<std::string> words) {
    out_.str("");
    err_.str("");
    return RunDevPki(Args{std::move(words), out_, err_});
  }
  std::string Read(const std::string& name) {
    std::ifstream file(dir_.File("pki/" + name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  unsigned ModeOf(const std::string& name) {
    struct stat file {};
    EXPECT_EQ(stat(dir_.File("pki/" + name).c_str(), &file), 0) << name;
    return file.st_mode & 0777;
  }
  crypto::Certificate Certificate(const std::string& name) { return crypto::ParseCertificates(Read(name))->at(0); }

  testing::TempDir dir_;
  std::ostringstream out_, err_;
};

TEST_F(DevPkiTest, MakesCertificatesThatOurOwnCodeAccepts) {
  ASSERT_EQ(
      Make({"--out", dir_.File("pki"), "--trust-domain", "test.example", "--owner", "payroll", "--owner", "ledger"}),
      kExitDone)
      << err_.str();
  const crypto::Certificate root = Certificate("tls/ca.pem");
  for (const auto& [name, id] : {std::pair("tls/verifier", "spiffe://test.example/twi/verifier"),
                                 std::pair("tls/key-store", "spiffe://test.example/twi/key-store"),
                                 std::pair("owners/ledger", "spiffe://test.example/owner/ledger")}) {
    const crypto::Certificate leaf = Certificate(std::string(name) + ".pem");
    EXPECT_THAT(leaf.uri_sans, ElementsAre(id));
    crypto::PathOptions options;
    options.now = absl::Now();
    EXPECT_OK(crypto::BuildPath(leaf, {}, {root}, options));
    config::v1::Tls tls;
    tls.set_certificate_file(dir_.File(std::string("pki/") + name + ".pem"));
    tls.set_key_file(dir_.File(std::string("pki/") + name + ".key.pem"));
    tls.set_trust_bundle_file(dir_.File("pki/tls/ca.pem"));
    EXPECT_OK(client::Identity::FromFiles(tls)) << name;
  }
  EXPECT_EQ(crypto::PublicKey::FromPem(Read("owners/payroll.pub.pem"))->spki(),
            Certificate("owners/payroll.pem").public_key.spki());
  EXPECT_OK(DevSnpChain::Read(dir_.File("pki/dev-snp")));
}

TEST_F(DevPkiTest, SecretsArePrivateAndDifferent) {
  ASSERT_EQ(Make({"--out", dir_.File("pki")}), kExitDone);
  for (const char* name : {"tls/ca.key.pem", "tls/verifier.key.pem", "owners/payroll.key.pem", "keys/key-store.root",
                           "dev-snp/vcek.key.pem"})
    EXPECT_EQ(ModeOf(name), 0600u) << name;
  for (const char* name : {"", "tls", "keys", "owners", "dev-snp"}) EXPECT_EQ(ModeOf(name), 0700u) << name;
  EXPECT_EQ(Read("keys/key-store.root").size(), 32u);
  EXPECT_NE(Read("keys/key-store.root"), Read("keys/verifier.root"));
}

TEST_F(DevPkiTest, OverwritesNothing) {
  ASSERT_EQ(Make({"--out", dir_.File("pki")}), kExitDone);
  const std::string root = Read("tls/ca.pem");
  EXPECT_EQ(Make({"--out", dir_.File("pki")}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("nothing is overwritten"));
  EXPECT_EQ(Read("tls/ca.pem"), root);
}

TEST_F(DevPkiTest, RefusesNamesThatLeaveTheFolderOrRepeat) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"--owner", "../x"},
                                                                                     {"--owner", "a", "--owner", "a"},
                                                                                     {"--service", "Verifier"},
                                                                                     {"--trust-domain", "a/b"},
                                                                                     {"--trust-domain", "UPPER"},
                                                                                     {"--days", "0"},
                                                                                     {"--days", "366"},
                                                                                     {"--unknown"}}) {
    std::vector<std::string> all = {"--out", dir_.File("pki")};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(Make(all), kExitUsage) << words.back();
    EXPECT_FALSE(std::filesystem::exists(dir_.File("pki")));
  }
  EXPECT_EQ(Make({}), kExitUsage);
}

TEST_F(DevPkiTest, SpeaksJson) {
  ASSERT_EQ(Make({"--out", dir_.File("pki"), "--service", "verifier", "--output", "json"}), kExitDone);
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["identities"].dump(), R"(["spiffe://example.org/twi/verifier","spiffe://example.org/owner/payroll"])");
}

}  // namespace
}  // namespace twi::twictl
