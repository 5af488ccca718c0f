// Who may connect, and who may call what: every RPC of every daemon against everybody who has a name in the deployment,
// and those who have none.
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "common/config/load_yaml.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "integration_tests/caller.h"
#include "integration_tests/deployment_fixture.h"
#include "integration_tests/rpcs.h"
#include "proto/twi/config/v1/claims_mapper.pb.h"
#include "proto/twi/config/v1/credential_authority.pb.h"
#include "proto/twi/config/v1/key_store.pb.h"
#include "proto/twi/config/v1/verifier.pb.h"

namespace twi::integration {
namespace {

using ::testing::HasSubstr;

constexpr int kUnavailable = 14;  // grpc::StatusCode::UNAVAILABLE: there never was a connection
constexpr int kPermissionDenied = 7;

template <typename Config>
config::v1::Server ServerSection(const Deployment& deployment, const std::string& daemon) {
  Config config;
  EXPECT_OK(config::LoadYamlFile(deployment.File("config/" + daemon + ".yaml"), config));
  return config.server();
}

config::v1::Server ServerOf(const Deployment& deployment, const std::string& daemon) {
  if (daemon == kVerifier) return ServerSection<config::v1::VerifierConfig>(deployment, daemon);
  if (daemon == kClaimsMapper) return ServerSection<config::v1::ClaimsMapperConfig>(deployment, daemon);
  if (daemon == kKeyStore) return ServerSection<config::v1::KeyStoreConfig>(deployment, daemon);
  return ServerSection<config::v1::CredentialAuthorityConfig>(deployment, daemon);
}

std::size_t Decided(const Deployment& deployment, const std::string& daemon) {
  return deployment.LogLines(daemon, "served").size() + deployment.LogLines(daemon, "refused").size();
}

class ChannelTest : public DeploymentTest {
 protected:
  // Everybody, under the name that an allow-list uses.
  static std::map<std::string, Caller> Everybody() {
    std::map<std::string, Caller> callers;
    callers.emplace("attested_key", Caller::Workload(*deployment_));
    for (const char* service : {"verifier", "claims-mapper", "credential-authority", "key-store"})
      callers.emplace(std::string("spiffe://example.org/twi/") + service,
                      Caller::Holder(*deployment_, std::string("tls/") + service));
    for (const char* owner : {"payroll", "ledger"})
      callers.emplace(std::string("spiffe://example.org/owner/") + owner,
                      Caller::Holder(*deployment_, std::string("owners/") + owner));
    return callers;
  }
};

TEST_F(ChannelTest, EveryRpcKnowsItsCallers) {
  std::map<std::string, Caller> callers = Everybody();
  for (const Rpc& rpc : AllRpcs()) {
    const config::v1::Server server = ServerOf(*deployment_, rpc.daemon);
    std::set<std::string> allowed;
    bool any_attested_key = false;
    for (const config::v1::Allow& rule : server.allow()) {
      for (const std::string& peer : rule.peers()) {
        any_attested_key = any_attested_key || peer == "attested_key";
        if (rule.rpc() == rpc.method) allowed.insert(peer);
      }
    }
    EXPECT_FALSE(allowed.empty()) << rpc.path << " is allowed to nobody: a new RPC is missing in dev_deployment.sh";
    for (auto& [name, caller] : callers) {
      const RawAnswer answer = caller.Raw(rpc.daemon, rpc.path, "");
      if (allowed.count(name) != 0) {
        EXPECT_NE(answer.reason, "PEER_NOT_ALLOWED") << rpc.path << " by " << name;
        EXPECT_NE(answer.code, kUnavailable) << rpc.path << " by " << name << ": " << answer.message;
      } else if (name == "attested_key" && !any_attested_key) {
        EXPECT_EQ(answer.code, kUnavailable) << rpc.path << ": a self-signed certificate gets no connection here";
      } else {
        EXPECT_EQ(answer.reason, "PEER_NOT_ALLOWED") << rpc.path << " by " << name;
        EXPECT_EQ(answer.code, kPermissionDenied) << rpc.path << " by " << name;
        EXPECT_EQ(answer.message, "PEER_NOT_ALLOWED") << "the name, nothing more";
      }
    }
  }
}

// Whoever gets no connection sees no more than that; the daemon's log says whom it turned away, and why.
void ExpectNoConnection(const Deployment& deployment, Caller& caller, const std::string& why) {
  for (const Rpc& rpc : AllRpcs()) {
    const std::size_t decided = Decided(deployment, rpc.daemon);
    const RawAnswer answer = caller.Raw(rpc.daemon, rpc.path, "");
    EXPECT_EQ(answer.code, kUnavailable) << rpc.path << ": " << answer.message;
    EXPECT_EQ(Decided(deployment, rpc.daemon), decided) << "no request came so far as to be decided about";
    // A channel that failed does not connect again at once, so not every call makes a line of its own.
    EXPECT_TRUE(WaitUntil([&] {
      for (const nlohmann::json& line : deployment.LogLines(rpc.daemon, "handshake_refused")) {
        if (line["reason"] == "PEER_UNAUTHENTICATED" && absl::StrContains(line.value("detail", ""), why)) return true;
      }
      return false;
    })) << rpc.daemon
        << " does not say in its log whom it turned away";
  }
}

TEST_F(ChannelTest, RefusesCallersWithoutACertificate) {
  Caller nobody = Caller::WithoutCertificate(*deployment_);
  ExpectNoConnection(*deployment_, nobody, "peer did not return a certificate");
}

TEST_F(ChannelTest, RefusesPlaintext) {
  Caller nobody = Caller::Plaintext(*deployment_);
  ExpectNoConnection(*deployment_, nobody, "Handshake failed");
}

// Another authority's certificate for the Verifier's own name.
TEST_F(ChannelTest, RefusesAPeerOfAnUnknownAuthority) {
  testing::TestPki foreign(absl::Now());
  const config::v1::Tls tls = foreign.Issue("impostor", kVerifierId);
  for (const std::string& daemon : kDaemons) {
    Caller impostor = Caller::Files(*deployment_, tls.certificate_file(), tls.key_file());
    const std::size_t before = Decided(*deployment_, daemon),
                      refused = deployment_->LogLines(daemon, "handshake_refused").size();
    const Rpc rpc = [&] {
      for (const Rpc& candidate : AllRpcs()) {
        if (candidate.daemon == daemon) return candidate;
      }
      return Rpc();
    }();
    EXPECT_EQ(impostor.Raw(daemon, rpc.path, "").code, kUnavailable) << daemon;
    EXPECT_EQ(Decided(*deployment_, daemon), before);
    const auto lines = deployment_->LogLines(daemon, "handshake_refused");
    ASSERT_GT(lines.size(), refused) << daemon << " says in its log whom it turned away";
    EXPECT_EQ(lines.back()["reason"], "PEER_UNAUTHENTICATED");
    EXPECT_THAT(lines.back()["detail"], HasSubstr(kVerifierId));
  }
}

}  // namespace
}  // namespace twi::integration
