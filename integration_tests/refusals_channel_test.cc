// Who may connect, and who may call what: every RPC of every daemon against everybody who has a name in the deployment,
// and those who have none.
#include <functional>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "common/config/load_yaml.h"
#include "common/crypto/keys.h"
#include "common/crypto/x509.h"
#include "common/crypto/x509_builder.h"
#include "common/secret/secret_bytes.h"
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

constexpr int kUnavailable = 14;  // grpc::StatusCode::UNAVAILABLE: there never was a connection
constexpr int kPermissionDenied = 7;
constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";

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

constexpr char kPlaintext[] = "wrong version number";  // of TLS: OpenSSL's words for a first record that is none
constexpr char kNoCertificate[] = "peer did not return a certificate";
constexpr char kUnknownAuthority[] =
    "spiffe://example.org/twi/verifier: no path from";  // our own words (verify_peer.cc)

// How often this daemon has said that it turned somebody away with these words.
std::size_t TurnedAway(const Deployment& deployment, const std::string& daemon, const std::string& words) {
  std::size_t count = 0;
  for (const nlohmann::json& line : deployment.LogLines(daemon, "handshake_refused")) {
    if (line["reason"] == "PEER_UNAUTHENTICATED" && absl::StrContains(line.value("detail", ""), words)) ++count;
  }
  return count;
}

// Whoever gets no connection sees no more than that; the daemon's log says whom it turned away, and why: a new line
// with the words for this case, and none with those for another. `make`: a channel of its own to each daemon, since one
// that failed does not connect again at once, so not every call makes a line.
void ExpectNoConnection(const Deployment& deployment, const std::function<Caller()>& make, const std::string& words) {
  for (const std::string& daemon : kDaemons) {
    Caller caller = make();
    std::map<std::string, std::size_t> before;
    for (const char* other : {kPlaintext, kNoCertificate, kUnknownAuthority})
      before[other] = TurnedAway(deployment, daemon, other);
    const std::size_t decided = Decided(deployment, daemon);
    for (const Rpc& rpc : AllRpcs()) {
      if (rpc.daemon != daemon) continue;
      const RawAnswer answer = caller.Raw(daemon, rpc.path, "");
      EXPECT_EQ(answer.code, kUnavailable) << rpc.path << ": " << answer.message;
      EXPECT_EQ(answer.reason, "") << rpc.path;
    }
    EXPECT_EQ(caller.Raw(daemon, kHealthCheck, "").code, kUnavailable) << daemon;
    EXPECT_TRUE(WaitUntil([&] { return TurnedAway(deployment, daemon, words) > before[words]; }))
        << daemon << " does not say in its log: " << words;
    EXPECT_EQ(Decided(deployment, daemon), decided) << "no request came so far as to be decided about";
    before.erase(words);
    for (const auto& [other, count] : before)
      EXPECT_EQ(TurnedAway(deployment, daemon, other), count) << daemon << " says: " << other;
  }
}

TEST_F(ChannelTest, RefusesCallersWithoutACertificate) {
  ExpectNoConnection(
      *deployment_, [] { return Caller::WithoutCertificate(*deployment_); }, kNoCertificate);
}

TEST_F(ChannelTest, RefusesPlaintext) {
  ExpectNoConnection(
      *deployment_, [] { return Caller::Plaintext(*deployment_); }, kPlaintext);
}

// Another authority's certificate for the Verifier's own name.
TEST_F(ChannelTest, RefusesAPeerOfAnUnknownAuthority) {
  testing::TestPki foreign(absl::Now());
  const config::v1::Tls tls = foreign.Issue("impostor", kVerifierId);
  ExpectNoConnection(
      *deployment_, [&] { return Caller::Files(*deployment_, tls.certificate_file(), tls.key_file()); },
      kUnknownAuthority);
}

// NAME.pem and NAME.key.pem, by the authority that every daemon trusts, as twictl dev-pki issues them.
void IssueSvid(const Deployment& deployment, const std::string& name, const std::string& spiffe_id) {
  const crypto::Certificate ca = crypto::ParseCertificates(deployment.Read("tls/ca.pem")).value().at(0);
  const crypto::PrivateKey ca_key =
      crypto::PrivateKey::FromPem(SecretBytes::CopyOf(deployment.Read("tls/ca.key.pem"))).value();
  const crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kP256).value();
  crypto::CertificateTemplate leaf;
  leaf.serial = "a stranger's";
  leaf.issuer_der = ca.subject_der;
  leaf.subject_der = crypto::NameFromCommonName("a stranger");
  leaf.not_before = absl::Now() - absl::Minutes(5);
  leaf.not_after = absl::Now() + absl::Hours(1);
  leaf.subject_spki = key.public_key().spki();
  leaf.key_usage = crypto::kKeyUsageDigitalSignature;
  leaf.extended_key_usage = {crypto::kEkuServerAuth, crypto::kEkuClientAuth};
  leaf.uri_sans = {spiffe_id};
  leaf.authority_key_id = crypto::SubjectKeyId(ca_key.public_key().spki());
  deployment.Write(name + ".pem", crypto::CertificateToPem(crypto::SignCertificate(leaf, ca_key).value()));
  deployment.Write(name + ".key.pem", std::string(key.ToPem().reveal()));
}

// The right authority is not enough: a name that nobody lists may call nothing, however near it is to one that is
// listed.
TEST_F(ChannelTest, RefusesASvidThatNobodyLists) {
  for (const char* stranger :
       {"spiffe://example.org/nobody", "spiffe://example.org/twi/verifier/2", "spiffe://example.org/twi/verifie",
        "spiffe://example.org/twi/Verifier", "spiffe://example.org/owner", "spiffe://elsewhere.org/twi/verifier"}) {
    IssueSvid(*deployment_, "tls/stranger", stranger);
    Caller caller = Caller::Holder(*deployment_, "tls/stranger");
    std::vector<Rpc> rpcs = AllRpcs();
    for (const std::string& daemon : kDaemons) rpcs.push_back({daemon, "Check", kHealthCheck});
    for (const Rpc& rpc : rpcs) {
      const RawAnswer answer = caller.Raw(rpc.daemon, rpc.path, "");
      EXPECT_EQ(answer.reason, "PEER_NOT_ALLOWED") << rpc.path << " by " << stranger;
      EXPECT_EQ(answer.code, kPermissionDenied) << rpc.path << " by " << stranger;
      EXPECT_EQ(answer.message, "PEER_NOT_ALLOWED") << "the name, nothing more";
      const auto lines = deployment_->LogLines(rpc.daemon, "refused");
      ASSERT_FALSE(lines.empty()) << rpc.daemon;
      EXPECT_EQ(lines.back()["rpc"], rpc.method);
      EXPECT_EQ(lines.back()["peer"], stranger);
    }
  }
}

}  // namespace
}  // namespace twi::integration
