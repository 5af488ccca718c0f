// Mechanism D, D7 and D8: the real agent and a sealed bundle that the configured Key Store did not sign. Everything
// else about it is as it should be: it holds the very key of the provisioned credential, sealed to the agent's own key.
#include <filesystem>
#include <map>

#include "common/crypto/x509.h"
#include "common/testing/matchers.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/stand_in_key_store.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;
using Signer = StandInKeyStore::Signer;

constexpr char kAgent[] = "D-snp";
constexpr char kOutput[] = "out/D-snp";

class SealedKeyTest : public ::testing::TestWithParam<Signer> {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>();
    for (const char* daemon : {kVerifier, kClaimsMapper, kCredentialAuthority}) deployment_->Start(daemon);
    requester_ = std::make_unique<Requester>();
    key_store_ = std::make_unique<StandInKeyStore>(*deployment_, requester_->key);
    Provision();
  }
  static void TearDownTestSuite() {
    key_store_.reset();
    requester_.reset();
    deployment_.reset();
  }
  void SetUp() override { std::filesystem::remove_all(deployment_->File(kOutput)); }

  // A credential for the key that the stand-in gives out, and the agent's config that names it. By B: it is an ordinary
  // one.
  static void Provision() {
    Caller workload = Caller::Workload(*deployment_);
    const v1::WorkloadCredential credential = AcquireByB(*deployment_, workload, *requester_).value();
    std::string chain;
    for (const std::string& der : credential.x509_chain()) chain += crypto::CertificateToPem(der);
    std::filesystem::create_directory(deployment_->File("run/provisioned"));
    deployment_->Write("run/provisioned/chain.pem", chain);
    deployment_->Write("run/provisioned/wit.jwt", credential.wit());
    deployment_->Write("run/provisioned/wit-bundle.json", credential.wit_bundle());
    deployment_->Edit("config/agent-D-snp.yaml", "KEY_ID", "0123456789abcdef0123456789abcdef");
  }

  // Whatever stands in the output folder, by path: contents, and where links point. Without the agents' lock.
  static std::map<std::string, std::string> Installed() {
    std::map<std::string, std::string> files;
    const std::string root = deployment_->File(kOutput);
    if (!std::filesystem::exists(root)) return files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string path = entry.path().lexically_relative(root).string();
      if (path == "..lock") continue;
      files[path] = entry.is_symlink()        ? "-> " + std::filesystem::read_symlink(entry.path()).string()
                    : entry.is_regular_file() ? deployment_->Read(std::string(kOutput) + "/" + path)
                                              : "a directory";
    }
    return files;
  }

  // The agent asks, is given a bundle, and says why it does not take it.
  static void ExpectRefused(Signer signer) {
    key_store_->SignBy(signer);
    const int released = key_store_->released();
    const std::size_t before = deployment_->LogLines("agent-D-snp", "credential_not_acquired").size();
    const Finished refused = deployment_->RunAgent(kAgent);
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, HasSubstr("SEALED_KEY_WRONG_SIGNER"));
    EXPECT_EQ(key_store_->released(), released + 1);
    const auto lines = deployment_->LogLines("agent-D-snp", "credential_not_acquired");
    ASSERT_EQ(lines.size(), before + 1);
    EXPECT_EQ(lines.back()["reason"], "SEALED_KEY_WRONG_SIGNER");
    EXPECT_EQ(lines.back()["mechanism"], "D");
  }
  static void ExpectTaken() {
    key_store_->SignBy(Signer::kPublished);
    const Finished run = deployment_->RunAgent(kAgent);
    ASSERT_EQ(run.exit_code, 0) << run.err << deployment_->Read("log/agent-D-snp.log");
    EXPECT_TRUE(deployment_->Read(std::string(kOutput) + "/key.pem") == requester_->key.ToPem().reveal());
  }

  inline static std::unique_ptr<Deployment> deployment_;
  inline static std::unique_ptr<Requester> requester_;
  inline static std::unique_ptr<StandInKeyStore> key_store_;
};

INSTANTIATE_TEST_SUITE_P(, SealedKeyTest,
                         ::testing::Values(Signer::kUnpublished, Signer::kForged, Signer::kAnotherIssuer),
                         [](const ::testing::TestParamInfo<Signer>& info) {
                           return info.param == Signer::kUnpublished ? "ByAnUnpublishedKey"
                                  : info.param == Signer::kForged    ? "UnderAForgedKid"
                                                                     : "InAnothersName";
                         });

// A folder that was empty stays so.
TEST_P(SealedKeyTest, TheAgentInstallsNothing) {
  ExpectRefused(GetParam());
  EXPECT_TRUE(Installed().empty());
}

// What was there stays, to the byte; the same bundle by the right signer is the control.
TEST_P(SealedKeyTest, TheAgentKeepsWhatItHas) {
  ASSERT_NO_FATAL_FAILURE(ExpectTaken());
  const std::map<std::string, std::string> before = Installed();
  EXPECT_FALSE(before.empty());
  ExpectRefused(GetParam());
  EXPECT_EQ(Installed(), before);
}

}  // namespace
}  // namespace twi::integration
