#include "common/server/daemon_store.h"

#include <cstdio>
#include <string>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

class DaemonStoreTest : public ::testing::Test {
 protected:
  DaemonStoreTest() {
    config_.set_database_file(data_.File("store.db"));
    config_.set_root_key_file(keys_.Write("root.key", std::string(32, 'r')));
  }
  absl::StatusOr<std::unique_ptr<DaemonStore>> Open() {
    return DaemonStore::Open(config_, {"CREATE TABLE things(id INTEGER PRIMARY KEY)"}, "test",
                             config::v1::SigningKeys(), random_, metrics_, absl::Now());
  }

  testing::TempDir data_, keys_;
  config::v1::Storage config_;
  crypto::SystemRandom random_;
  metrics::Metrics metrics_;
};

TEST_F(DaemonStoreTest, KeepsItsKeyAndCountsItsCommits) {
  std::string kid;
  for (int run = 0; run < 2; ++run) {
    ASSERT_OK_AND_ASSIGN(const auto store, Open());
    EXPECT_OK(store->Ready(absl::Now()));
    const std::string current = store->keys->Current(absl::Now())->kid;
    if (run == 0) kid = current;
    EXPECT_EQ(current, kid);
  }
  EXPECT_THAT(metrics_.Text(), HasSubstr("twi_store_commit_writes_total 1\n")) << "the key, at the first start";
}

TEST_F(DaemonStoreTest, IsNotReadyWhenItsFileWasTakenAway) {
  ASSERT_OK_AND_ASSIGN(const auto store, Open());
  ASSERT_EQ(std::rename(data_.File("store.db").c_str(), data_.File("elsewhere.db").c_str()), 0);
  EXPECT_THAT(store->Ready(absl::Now()), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
}

// The one field that is not safe is honoured, and said, in every daemon.
TEST_F(DaemonStoreTest, SaysThatItIsNotDurable) {
  config::v1::Log log_config;
  log_config.set_file(data_.File("log"));
  ASSERT_OK(log::Init(log_config, "test"));
  { ASSERT_OK(Open()); }
  EXPECT_THAT(data_.Read("log"), Not(HasSubstr("database_not_durable")));
  config_.set_insecure_not_durable(true);
  { ASSERT_OK(Open()); }
  ASSERT_OK(log::Init(config::v1::Log(), "test"));
  EXPECT_THAT(data_.Read("log"), HasSubstr("database_not_durable"));
}

TEST_F(DaemonStoreTest, RefusesAnotherRootKey) {
  { ASSERT_OK(Open()); }
  config_.set_root_key_file(keys_.Write("other.key", std::string(32, 's')));
  EXPECT_THAT(Open(), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED));
}

}  // namespace
}  // namespace twi::server
