// The config, the sample of it, and the daemon from start over reload to drain.
#include "services/verifier/verifier_daemon.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/client/verifier_client.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "proto/twi/config/v1/verifier.pb.h"

namespace twi::verifier {
namespace {

using config::v1::VerifierConfig;
using ::testing::HasSubstr;
using ::twi::testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_CONFIG_INVALID;
constexpr char kId[] = "spiffe://example.org/twi/verifier";

std::string ReadSample(const std::string& path) {
  const auto text = config::ReadFile(path, {1 << 20, 0});  // any mode: a checkout's
  EXPECT_OK(text);
  return *text;
}

class VerifierDaemonTest : public ::testing::Test {
 protected:
  VerifierDaemonTest() : pki_(absl::Now()) {
    EXPECT_OK(config::ParseYaml(ReadSample("config/verifier.yaml"), "verifier.yaml", config_));
    config_.mutable_appraisal()->set_policy_file(dir_.Write("policy.yaml", ReadSample("config/evidence_policy.yaml")));
    config_.mutable_appraisal()->set_reference_value_files(
        0, dir_.Write("references.yaml", ReadSample("config/reference_values/payroll.yaml")));
    config_.mutable_server()->set_listen("127.0.0.1:0");
    *config_.mutable_server()->mutable_tls() = pki_.Issue("verifier", kId);
    config_.mutable_rest()->mutable_http()->set_listen("127.0.0.1:0");
    *config_.mutable_rest()->mutable_http()->mutable_tls() = config_.server().tls();
    config_.mutable_storage()->set_database_file(dir_.File("verifier.db"));
    config_.mutable_storage()->set_root_key_file(pki_.dir().Write("root", std::string(32, 'r')));
  }
  v1::GetVerifierKeysResponse Keys(const server::Running& running) {
    config::v1::Peer peer;
    peer.set_address(absl::StrCat("127.0.0.1:", running.port()));
    peer.set_spiffe_id(kId);
    const auto identity = client::Identity::AttestedKey(pki_.dir().File("ca.crt"), absl::Now());
    const auto client = client::MakeVerifierClient(peer, **identity, clock_);
    const auto keys = (*client)->GetVerifierKeys(absl::Now() + absl::Seconds(20));
    EXPECT_OK(keys);
    return keys.ok() ? *keys : v1::GetVerifierKeysResponse();
  }

  SystemClock clock_;
  ::twi::testing::TestPki pki_;
  ::twi::testing::TempDir dir_;
  VerifierConfig config_;
};

TEST_F(VerifierDaemonTest, TheSampleIsGoodAndAllowsEveryRpc) {
  EXPECT_OK(server::CheckConfig(VerifierSpec(), config_, absl::Now()));
  EXPECT_EQ(config_.server().allow_size(), 5);
}

TEST_F(VerifierDaemonTest, RefusesWhatIsMissingOrContradictory) {
  const std::pair<const char*, std::function<void(VerifierConfig&)>> faults[] = {
      {"server", [](VerifierConfig& c) { c.clear_server(); }},
      {"storage", [](VerifierConfig& c) { c.clear_storage(); }},
      {"server.allow[1].rpc", [](VerifierConfig& c) { c.mutable_server()->mutable_allow(0)->set_rpc("Appraise"); }},
      {"issuer", [](VerifierConfig& c) { c.clear_issuer(); }},
      {"issuer", [](VerifierConfig& c) { c.set_issuer("https://verifier.example.org"); }},
      {"issuer", [](VerifierConfig& c) { c.set_issuer("spiffe://example.org"); }},
      {"issuer",
       [](VerifierConfig& c) { c.set_issuer("spiffe://example.org/twi/another"); }},  // the certificate's is not
      {"results_keys.overlap", [](VerifierConfig& c) { c.mutable_results_keys()->mutable_overlap()->set_seconds(9); }},
      {"appraisal", [](VerifierConfig& c) { c.clear_appraisal(); }},
      {"appraisal.policy_file", [](VerifierConfig& c) { c.mutable_appraisal()->clear_policy_file(); }},
      {"/nowhere", [](VerifierConfig& c) { c.mutable_appraisal()->add_crl_files("/nowhere"); }},
      {"relying_parties", [](VerifierConfig& c) { c.clear_relying_parties(); }},
      {"relying_parties[0].rp_id", [](VerifierConfig& c) { c.mutable_relying_parties(0)->set_rp_id("ca"); }},
      {"relying_parties[2].rp_id", [](VerifierConfig& c) { *c.add_relying_parties() = c.relying_parties(0); }},
      {"relying_parties[0].spiffe_id", [](VerifierConfig& c) { c.mutable_relying_parties(0)->set_spiffe_id("ca"); }},
      {"results_lifetime", [](VerifierConfig& c) { c.mutable_results_lifetime()->set_seconds(9); }},
      {"results_lifetime", [](VerifierConfig& c) { c.mutable_results_lifetime()->set_seconds(3601); }},
      {"challenge_lifetime", [](VerifierConfig& c) { c.mutable_challenge_lifetime()->set_seconds(0); }},
      {"challenge_lifetime", [](VerifierConfig& c) { c.mutable_challenge_lifetime()->set_seconds(601); }},
      {"rest.http", [](VerifierConfig& c) { c.mutable_rest()->clear_http(); }},
      {"rest.default_audience", [](VerifierConfig& c) { c.mutable_rest()->set_default_audience("https://x"); }},
      {"claims_mapper", [](VerifierConfig& c) { c.clear_claims_mapper(); }},
      {"claims_mapper", [](VerifierConfig& c) { c.clear_credential_authority(); }},
  };
  for (const auto& [field, fault] : faults) {
    VerifierConfig config = config_;
    fault(config);
    EXPECT_THAT(server::CheckConfig(VerifierSpec(), config, absl::Now()), StatusIs(kInvalid, HasSubstr(field)));
  }
}

TEST_F(VerifierDaemonTest, KeepsItsKeysOverARestart) {
  v1::GetVerifierKeysResponse first;
  for (int run = 0; run < 2; ++run) {
    const auto running = VerifierSpec().start(config_);
    ASSERT_OK(running);
    const v1::GetVerifierKeysResponse keys = Keys(**running);
    if (run == 0) first = keys;
    EXPECT_FALSE(keys.jwks().empty());
    EXPECT_EQ(keys.SerializeAsString(), first.SerializeAsString());
    (*running)->Drain();
  }
}

TEST_F(VerifierDaemonTest, BadRulesAreNotLoadedAndNotStartedWith) {
  const auto running = VerifierSpec().start(config_);
  ASSERT_OK(running);
  EXPECT_OK((*running)->Reload(config_));
  config_.mutable_appraisal()->set_policy_file(dir_.Write("bad.yaml", "id: x\n"));
  EXPECT_THAT((*running)->Reload(config_), StatusIs(kInvalid, HasSubstr("bad.yaml")));
  EXPECT_THAT(VerifierSpec().start(config_), StatusIs(kInvalid, HasSubstr("bad.yaml")));
}

TEST_F(VerifierDaemonTest, RefusesAnotherRootKeyThanTheStoresOwn) {
  ASSERT_OK(VerifierSpec().start(config_));
  config_.mutable_storage()->set_root_key_file(pki_.dir().Write("root", std::string(32, 'q')));
  EXPECT_THAT(VerifierSpec().start(config_), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED));
}

}  // namespace
}  // namespace twi::verifier
