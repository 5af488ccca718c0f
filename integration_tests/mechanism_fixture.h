// What the tests of the four mechanisms share: one deployment with a software TPM per suite, each test once per kind of
// Evidence, and once per way in which a workload authenticates itself (architecture section 2).
#ifndef TWI_INTEGRATION_TESTS_MECHANISM_FIXTURE_H_
#define TWI_INTEGRATION_TESTS_MECHANISM_FIXTURE_H_

#include <memory>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "integration_tests/acquisition.h"
#include "integration_tests/deployment.h"

namespace twi::integration {

constexpr char kNode[] = "tls/node";  // the files of a platform certificate that the services accept
constexpr char kNodeId[] = "spiffe://example.org/twi/node";
constexpr char kStranger[] = "owners/ledger";  // of one that they know, and accept from no workload

class MechanismDeploymentTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>(Deployment::Tpm::kSoftware);
    for (const char* daemon :
         {kVerifier, kCredentialAuthority, kKeyStore}) {  // wherever a workload is let in, kNode is
      const std::string config = absl::StrCat("config/", daemon, ".yaml");
      deployment_->Write(
          config, absl::StrReplaceAll(deployment_->Read(config),
                                      {{"peers: [attested_key", absl::StrCat("peers: [attested_key, ", kNodeId)}}));
    }
    deployment_->StartAll();
  }
  static void TearDownTestSuite() { deployment_.reset(); }

  static void SkipWithoutTpm(Tee tee) {
    if (tee == Tee::kTpm2 && !deployment_->has_tpm()) GTEST_SKIP() << "swtpm is not installed";
  }
  // The version of the reference value that this Evidence meets.
  static std::string VersionOf(Tee tee) { return tee == Tee::kSevSnp ? "1.2.0" : "1.2.0-tpm"; }
  // The agent config of this mechanism and Evidence: "A-snp".
  static std::string AgentOf(const std::string& mechanism, Tee tee) {
    return mechanism + (tee == Tee::kSevSnp ? "-snp" : "-tpm");
  }
  // The same with platform_certificate, of `holder`'s files; its name.
  static std::string PlatformAgent(const std::string& agent, const std::string& holder) {
    const std::string name = absl::StrCat(agent, "-of-", holder.substr(holder.find('/') + 1)),
                      ca = deployment_->File("tls/ca.pem");
    std::string config =
        absl::StrReplaceAll(deployment_->Read(absl::StrCat("config/agent-", agent, ".yaml")),
                            {{absl::StrCat("/agent-", agent, ".log"), absl::StrCat("/agent-", name, ".log")},
                             {absl::StrCat("/out/", agent, "\n"), absl::StrCat("/out/", name, "\n")}});
    const std::string fresh_key = absl::StrCat("attested_key: {}\ntrust_bundle_file: ", ca, "\n");
    EXPECT_NE(config.find(fresh_key), std::string::npos);
    deployment_->Write(
        absl::StrCat("config/agent-", name, ".yaml"),
        absl::StrReplaceAll(
            config, {{fresh_key, absl::StrCat("platform_certificate:\n  certificate_file: ", deployment_->File(holder),
                                              ".pem\n  key_file: ", deployment_->File(holder),
                                              ".key.pem\n  trust_bundle_file: ", ca, "\n")}}));
    return name;
  }

  inline static std::unique_ptr<Deployment> deployment_;
};

// Once per kind of Evidence; the workload has a fresh key.
class MechanismTest : public MechanismDeploymentTest, public ::testing::WithParamInterface<Tee> {
 protected:
  void SetUp() override { SkipWithoutTpm(GetParam()); }
  std::string software_version() const { return VersionOf(GetParam()); }
};

inline auto BothTees() { return ::testing::Values(Tee::kSevSnp, Tee::kTpm2); }
inline std::string TeeOf(const ::testing::TestParamInfo<Tee>& info) { return TeeName(info.param); }

// Once per kind of Evidence and way to authenticate.
enum class Channel { kAttestedKey, kPlatformCertificate };

class ChannelTest : public MechanismDeploymentTest, public ::testing::WithParamInterface<std::tuple<Tee, Channel>> {
 protected:
  void SetUp() override { SkipWithoutTpm(tee()); }
  Tee tee() const { return std::get<Tee>(GetParam()); }
  Channel channel() const { return std::get<Channel>(GetParam()); }
  std::string software_version() const { return VersionOf(tee()); }
  Caller Workload() const {
    return channel() == Channel::kAttestedKey ? Caller::Workload(*deployment_) : Caller::Holder(*deployment_, kNode);
  }
  // The agent config of this mechanism, Evidence and channel; `kind`: "-unauthorized", "-debug".
  std::string Agent(const std::string& mechanism, const std::string& kind = "") const {
    const std::string agent = AgentOf(mechanism, tee()) + kind;
    return channel() == Channel::kAttestedKey ? agent : PlatformAgent(agent, kNode);
  }
  // A platform certificate is not enough: its SPIFFE ID must be on the allow-list.
  void ExpectStrangerRefused(const std::string& mechanism) const {
    if (channel() != Channel::kPlatformCertificate) GTEST_SKIP() << "of platform certificates";
    const std::string agent = PlatformAgent(AgentOf(mechanism, tee()), kStranger);
    const Finished refused = deployment_->RunAgent(agent);
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.err.find("PEER_NOT_ALLOWED"), std::string::npos) << refused.err;
    EXPECT_EQ(deployment_->Read(absl::StrCat("out/", agent, "/key.pem")), "");
  }
};

inline auto EveryWay() {
  return ::testing::Combine(BothTees(), ::testing::Values(Channel::kAttestedKey, Channel::kPlatformCertificate));
}
inline std::string WayOf(const ::testing::TestParamInfo<std::tuple<Tee, Channel>>& info) {
  const bool platform = std::get<Channel>(info.param) == Channel::kPlatformCertificate;
  return TeeName(std::get<Tee>(info.param)) + (platform ? "ByPlatformCertificate" : "ByAttestedKey");
}

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_MECHANISM_FIXTURE_H_
