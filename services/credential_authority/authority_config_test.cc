// The config field by field, the sample of it, and the daemon from start to drain.
#include "services/credential_authority/authority_config.h"

#include <functional>

#include "absl/time/clock.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/config/refresh.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "services/credential_authority/credential_authority_daemon.h"

namespace twi::credential_authority {
namespace {

using config::v1::CredentialAuthorityConfig;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_CONFIG_INVALID;

CredentialAuthorityConfig Sample() {
  CredentialAuthorityConfig config;
  const auto text = config::ReadFile("config/credential_authority.yaml", {1 << 20, 0});  // any mode: a checkout's
  EXPECT_OK(text);
  EXPECT_OK(config::ParseYaml(*text, "credential_authority.yaml", config));
  return config;
}

TEST(AuthorityConfigTest, TheSampleIsGoodAndAllowsEveryRpc) {
  EXPECT_OK(ValidateConfig(Sample()));
  EXPECT_EQ(Sample().server().allow_size(), 7);
}

TEST(AuthorityConfigTest, Defaults) {
  const CredentialAuthorityConfig config;
  EXPECT_EQ(ChallengeLifetime(config), absl::Minutes(2));
  EXPECT_EQ(MaxResultsAge(config), absl::Minutes(10));
  EXPECT_EQ(MaxLifetime(config), absl::Hours(1));
  EXPECT_EQ(Backdate(config), absl::Seconds(30));
  EXPECT_EQ(config::RefreshOf(config.grant_keys()), absl::Minutes(5));
  EXPECT_FALSE(Serves(config, "A"));
  EXPECT_TRUE(Serves(Sample(), "D"));
}

TEST(AuthorityConfigTest, AMechanismThatIsNotServedNeedsNothing) {
  CredentialAuthorityConfig config = Sample();
  config.clear_mechanisms();
  config.add_mechanisms("D");
  config.clear_verifier();
  config.clear_verifier_keys();
  config.clear_verifier_issuer();
  EXPECT_OK(ValidateConfig(config));
  config.clear_mechanisms();
  config.add_mechanisms("B");
  EXPECT_THAT(ValidateConfig(config), StatusIs(kInvalid, HasSubstr("verifier_keys")));
}

class AuthorityDaemonTest : public ::testing::Test {
 protected:
  AuthorityDaemonTest() : pki_(absl::Now()), config_(Sample()) {
    config_.mutable_server()->set_listen("127.0.0.1:0");
    *config_.mutable_server()->mutable_tls() = pki_.Issue("authority", "spiffe://example.org/twi/credential-authority");
    config_.mutable_storage()->set_database_file(dir_.File("ca.db"));
    config_.mutable_storage()->set_root_key_file(pki_.dir().Write("root", std::string(32, 'r')));
  }
  testing::TestPki pki_;
  testing::TempDir dir_;
  CredentialAuthorityConfig config_;
};

TEST_F(AuthorityDaemonTest, TheSampleIsGoodWithItsFiles) {
  EXPECT_OK(server::CheckConfig(CredentialAuthoritySpec(), config_, absl::Now()));
}

TEST_F(AuthorityDaemonTest, RefusesEachFieldThatIsMissingOrOutOfRange) {
  using Config = CredentialAuthorityConfig;
  const std::pair<const char*, std::function<void(Config&)>> faults[] = {
      {"server", [](Config& c) { c.clear_server(); }},
      {"storage", [](Config& c) { c.clear_storage(); }},
      {"storage.database_file", [](Config& c) { c.mutable_storage()->clear_database_file(); }},
      {"rp_id", [](Config& c) { c.clear_rp_id(); }},
      {"rp_id", [](Config& c) { c.set_rp_id("ca"); }},
      {"trust_domain", [](Config& c) { c.clear_trust_domain(); }},
      {"trust_domain", [](Config& c) { c.set_trust_domain("spiffe://example.org"); }},
      {"trust_domain", [](Config& c) { c.set_trust_domain("Example.org"); }},
      {"trust_domain", [](Config& c) { c.set_trust_domain("example.org/payroll"); }},
      {"issuer", [](Config& c) { c.set_issuer("http://ca.example.org"); }},
      {"issuer", [](Config& c) { c.clear_issuer(); }},
      {"targets", [](Config& c) { c.clear_targets(); }},
      {"targets[1]", [](Config& c) { c.add_targets("db"); }},
      {"mechanisms", [](Config& c) { c.clear_mechanisms(); }},
      {"mechanisms", [](Config& c) { c.add_mechanisms("E"); }},
      {"mechanisms", [](Config& c) { c.add_mechanisms("a"); }},
      {"mechanisms", [](Config& c) { c.add_mechanisms("A"); }},
      {"mechanisms", [](Config& c) { c.add_mechanisms(""); }},
      {"grant_keys", [](Config& c) { c.clear_grant_keys(); }},
      {"grant_keys.peer", [](Config& c) { c.mutable_grant_keys()->clear_peer(); }},
      {"grant_keys.refresh", [](Config& c) { c.mutable_grant_keys()->mutable_refresh()->set_seconds(0); }},
      {"claims_mapper", [](Config& c) { c.clear_claims_mapper(); }},
      {"verifier_keys", [](Config& c) { c.clear_verifier_keys(); }},
      {"verifier_keys.refresh", [](Config& c) { c.mutable_verifier_keys()->mutable_refresh()->set_seconds(-1); }},
      {"verifier_issuer", [](Config& c) { c.clear_verifier_issuer(); }},
      {"verifier_issuer", [](Config& c) { c.set_verifier_issuer("https://verifier.example.org"); }},
      {"verifier", [](Config& c) { c.clear_verifier(); }},
      {"key_store_keys", [](Config& c) { c.clear_key_store_keys(); }},
      {"key_store_keys.refresh", [](Config& c) { c.mutable_key_store_keys()->mutable_refresh()->set_seconds(90000); }},
      {"key_store_issuer", [](Config& c) { c.clear_key_store_issuer(); }},
      // An issuer is the peer that its keys come from.
      {"verifier_issuer: expected verifier_keys.peer.spiffe_id",
       [](Config& c) { c.set_verifier_issuer("spiffe://example.org/twi/another"); }},
      {"verifier.spiffe_id: expected verifier_keys.peer.spiffe_id",
       [](Config& c) { c.mutable_verifier()->set_spiffe_id("spiffe://example.org/twi/another"); }},
      {"grant_keys.peer.spiffe_id: expected claims_mapper.spiffe_id",
       [](Config& c) { c.mutable_claims_mapper()->set_spiffe_id("spiffe://example.org/twi/another"); }},
      {"key_store_issuer: expected key_store_keys.peer.spiffe_id",
       [](Config& c) { c.set_key_store_issuer("spiffe://example.org/twi/another"); }},
      {"operators[0]", [](Config& c) { c.add_operators("operator"); }},
      {"operators[1]",
       [](Config& c) {
         c.add_operators("spiffe://example.org/operator");
         c.add_operators("spiffe://example.org/operator");
       }},
      {"challenge_lifetime", [](Config& c) { c.mutable_challenge_lifetime()->set_seconds(0); }},
      {"challenge_lifetime", [](Config& c) { c.mutable_challenge_lifetime()->set_seconds(601); }},
      {"max_results_age", [](Config& c) { c.mutable_max_results_age()->set_seconds(9); }},
      {"max_results_age", [](Config& c) { c.mutable_max_results_age()->set_seconds(3601); }},
      {"issuing.max_lifetime", [](Config& c) { c.mutable_issuing()->mutable_max_lifetime()->set_seconds(59); }},
      {"issuing.max_lifetime", [](Config& c) { c.mutable_issuing()->mutable_max_lifetime()->set_seconds(86401); }},
      {"issuing.max_lifetime",  // a credential outlives nobody who signed it
       [](Config& c) {
         c.mutable_issuing()->mutable_authority_lifetime()->set_seconds(3600);
         c.mutable_issuing()->mutable_max_lifetime()->set_seconds(3601);
       }},
      {"issuing.supplied_key_file: /x.key",
       [](Config& c) {
         c.mutable_issuing()->set_supplied_key_file("/x.key");
         c.mutable_issuing()->set_supplied_certificate_file("/x.pem");
       }},
      {"issuing.backdate", [](Config& c) { c.mutable_issuing()->mutable_backdate()->set_seconds(-1); }},
      {"issuing.backdate", [](Config& c) { c.mutable_issuing()->mutable_backdate()->set_seconds(601); }},
      {"issuing.authority_lifetime",
       [](Config& c) { c.mutable_issuing()->mutable_authority_lifetime()->set_seconds(0); }},
      {"issuing.supplied_key_file", [](Config& c) { c.mutable_issuing()->set_supplied_certificate_file("/x.pem"); }},
      {"issuing.supplied_certificate_file", [](Config& c) { c.mutable_issuing()->set_supplied_key_file("/x.key"); }},
  };
  for (const auto& [field, fault] : faults) {
    CredentialAuthorityConfig config = config_;
    fault(config);
    EXPECT_THAT(server::CheckConfig(CredentialAuthoritySpec(), config, absl::Now()),
                StatusIs(kInvalid, HasSubstr(field)));
  }
}

TEST_F(AuthorityDaemonTest, StartsDrainsAndStartsAgainWithoutItsPeers) {
  for (int run = 0; run < 2; ++run) {
    const auto running = CredentialAuthoritySpec().start(config_);
    ASSERT_OK(running);
    EXPECT_GT((*running)->port(), 0);
    CredentialAuthorityConfig changed = config_;
    changed.mutable_log()->set_level("debug");
    EXPECT_OK((*running)->Reload(changed)) << "the log level alone may change";
    changed.add_targets("https://other.example.org");
    EXPECT_THAT(server::PlanReload(CredentialAuthoritySpec(), config_, changed).need_restart,
                ::testing::ElementsAre("targets"));
    (*running)->Drain();
  }
}

TEST_F(AuthorityDaemonTest, RefusesARootKeyBesideTheDatabaseAndOneOfAnotherStore) {
  const std::string good = config_.storage().root_key_file();
  config_.mutable_storage()->set_root_key_file(dir_.Write("root", std::string(32, 'r')));
  EXPECT_THAT(CredentialAuthoritySpec().start(config_), StatusIs(kInvalid));
  config_.mutable_storage()->set_root_key_file(good);
  ASSERT_OK(CredentialAuthoritySpec().start(config_));
  config_.mutable_storage()->set_root_key_file(pki_.dir().Write("root", std::string(32, 'q')));
  EXPECT_THAT(CredentialAuthoritySpec().start(config_), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED));
}

}  // namespace
}  // namespace twi::credential_authority
