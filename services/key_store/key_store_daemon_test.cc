// The config, the sample of it, and the daemon from start to drain.
#include "services/key_store/key_store_daemon.h"

#include <fstream>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/config/load_yaml.h"
#include "common/config/read_file.h"
#include "common/testing/matchers.h"
#include "common/testing/test_pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/twi/config/v1/key_store.pb.h"

namespace twi::key_store {
namespace {

using config::v1::KeyStoreConfig;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kInvalid = v1::DENY_REASON_CONFIG_INVALID;

KeyStoreConfig Sample() {
  config::ReadFileOptions any_mode;
  any_mode.forbidden_mode = 0;  // a checkout's
  KeyStoreConfig config;
  EXPECT_OK(config::ParseYaml(*config::ReadFile("config/key_store.yaml", any_mode), "config/key_store.yaml", config));
  return config;
}

class KeyStoreDaemonTest : public ::testing::Test {
 protected:
  KeyStoreDaemonTest() : pki_(absl::Now()), config_(Sample()) {
    *config_.mutable_server()->mutable_tls() = pki_.Issue("key-store", "spiffe://example.org/twi/key-store");
    config_.mutable_server()->set_listen("127.0.0.1:0");
    config_.mutable_storage()->set_database_file(pki_.dir().File("key-store.db"));
    config_.mutable_storage()->set_root_key_file(root_.Write("root", std::string(32, 'r')));
    config_.mutable_verifier_keys()->mutable_peer()->set_address("127.0.0.1:1");  // nobody: fetched when first needed
  }

  static absl::Status Check(const KeyStoreConfig& config) {
    return server::CheckConfig(KeyStoreSpec(), config, absl::Now());
  }

  testing::TestPki pki_;
  testing::TempDir root_;
  KeyStoreConfig config_;
};

TEST_F(KeyStoreDaemonTest, StartsDrainsAndStartsAgain) {
  for (int run = 0; run < 2; ++run) {
    auto running = KeyStoreSpec().start(config_);
    ASSERT_OK(running);
    EXPECT_GT((*running)->port(), 0);
    (*running)->Drain();
  }
}

TEST_F(KeyStoreDaemonTest, TheSampleIsGood) { EXPECT_OK(Check(config_)); }

TEST_F(KeyStoreDaemonTest, RefusesWhatIsMissingOrContradictory) {
  const std::pair<const char*, std::function<void(KeyStoreConfig&)>> faults[] = {
      {"server", [](KeyStoreConfig& c) { c.clear_server(); }},
      {"storage.database_file", [](KeyStoreConfig& c) { c.mutable_storage()->clear_database_file(); }},
      {"storage.root_key_file", [](KeyStoreConfig& c) { c.mutable_storage()->clear_root_key_file(); }},
      {"rp_id", [](KeyStoreConfig& c) { c.set_rp_id("key store"); }},
      {"rp_id", [](KeyStoreConfig& c) { c.clear_rp_id(); }},
      {"issuer", [](KeyStoreConfig& c) { c.set_issuer("spiffe://example.org"); }},
      {"issuer", [](KeyStoreConfig& c) { c.set_issuer("spiffe://example.org/twi/another"); }},
      {"verifier_keys", [](KeyStoreConfig& c) { c.clear_verifier_keys(); }},
      {"verifier_keys.peer", [](KeyStoreConfig& c) { c.mutable_verifier_keys()->clear_peer(); }},
      {"verifier_keys.refresh",
       [](KeyStoreConfig& c) { c.mutable_verifier_keys()->mutable_refresh()->set_seconds(1); }},
      {"verifier_issuer", [](KeyStoreConfig& c) { c.clear_verifier_issuer(); }},
      {"verifier_issuer: expected verifier_keys.peer.spiffe_id",
       [](KeyStoreConfig& c) { c.set_verifier_issuer("spiffe://example.org/twi/another"); }},
      {"signing_keys.overlap",
       [](KeyStoreConfig& c) { c.mutable_signing_keys()->mutable_overlap()->set_seconds(24 * 3600 - 1); }},
      {"max_results_age", [](KeyStoreConfig& c) { c.mutable_max_results_age()->set_seconds(7200); }},
      {"max_refusal_records", [](KeyStoreConfig& c) { c.set_max_refusal_records(99); }},
      {"max_refusal_records", [](KeyStoreConfig& c) { c.set_max_refusal_records(100001); }},
      {"owners", [](KeyStoreConfig& c) { c.clear_owners(); }},
      {"owners[1]", [](KeyStoreConfig& c) { c.add_owners(c.owners(0)); }},
      {"owners[1]", [](KeyStoreConfig& c) { c.add_owners("payroll"); }},
  };
  for (const auto& [field, fault] : faults) {
    KeyStoreConfig config = config_;
    fault(config);
    EXPECT_THAT(Check(config), StatusIs(kInvalid, HasSubstr(field)));
  }
}

TEST_F(KeyStoreDaemonTest, NothingButTheLogChangesWhileItRuns) {
  KeyStoreConfig changed = config_;
  changed.mutable_log()->set_level("debug");
  changed.add_owners("spiffe://example.org/owner/other");
  const server::ReloadPlan plan = server::PlanReload(KeyStoreSpec(), config_, changed);
  EXPECT_THAT(plan.changed, ::testing::ElementsAre("log"));
  EXPECT_THAT(plan.need_restart, ::testing::ElementsAre("owners"));
  const auto& in_force = static_cast<const KeyStoreConfig&>(*plan.config);
  EXPECT_EQ(in_force.log().level(), "debug");
  EXPECT_EQ(in_force.owners_size(), config_.owners_size());
}

TEST_F(KeyStoreDaemonTest, RefusesARootKeyBesideTheDatabase) {
  config_.mutable_storage()->set_root_key_file(pki_.dir().Write("root", std::string(32, 'r')));
  EXPECT_THAT(KeyStoreSpec().start(config_), StatusIs(kInvalid));
}

TEST_F(KeyStoreDaemonTest, RefusesAnotherRootKeyThanTheStoresOwn) {
  ASSERT_OK(KeyStoreSpec().start(config_));
  config_.mutable_storage()->set_root_key_file(root_.Write("root", std::string(32, 'q')));
  EXPECT_THAT(KeyStoreSpec().start(config_), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED));
}

}  // namespace
}  // namespace twi::key_store
