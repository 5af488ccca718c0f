#include "services/claims_mapper/policy_store.h"

#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::claims_mapper {
namespace {

using ::twi::testing::IsOkAndHolds;
using ::twi::testing::StatusIs;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

StoredPolicy Version(std::uint64_t version, std::uint64_t rollback_from = 0, int signed_at = 0) {
  const absl::Time time = kNow + absl::Seconds(signed_at == 0 ? static_cast<int>(version) : signed_at);
  return {"payroll",
          version,
          rollback_from,
          "spiffe://example.org/owner/a",
          std::string(32, 'd'),
          time,
          "h." + std::to_string(version) + "-" + std::to_string(signed_at) + ".sig"};
}

class PolicyStoreTest : public ::testing::Test {
 protected:
  PolicyStoreTest() { Open(); }
  void Open() {
    database_ = nullptr;
    auto database = storage::Database::Open(dir_.File("mapper.db"), {kPoliciesSchema});
    EXPECT_OK(database);
    database_ = *std::move(database);
    store_ = std::make_unique<PolicyStore>(*database_);
  }
  absl::Status Put(const StoredPolicy& policy) { return store_->Put(policy, kNow); }

  testing::TempDir dir_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<PolicyStore> store_;
};

TEST_F(PolicyStoreTest, VersionsOnlyGoUp) {
  EXPECT_OK(Put(Version(3)));
  EXPECT_THAT(Put(Version(3, 0, 50)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  EXPECT_THAT(Put(Version(2)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  EXPECT_OK(Put(Version(7)));
  EXPECT_THAT(Put(Version(5)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  EXPECT_THAT(store_->LoadInForce(), IsOkAndHolds(::testing::ElementsAre(Version(7).jws)));
}

TEST_F(PolicyStoreTest, AnOwnerMayRollBackOnce) {
  EXPECT_OK(Put(Version(3)));
  EXPECT_OK(Put(Version(5)));
  const StoredPolicy rollback = Version(3, 5, 100);
  EXPECT_OK(Put(rollback));
  EXPECT_THAT(store_->LoadInForce(), IsOkAndHolds(::testing::ElementsAre(rollback.jws)));
  EXPECT_THAT(Put(Version(4)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER))
      << "below the highest ever, and no rollback";
  EXPECT_OK(Put(Version(6, 0, 200)));
  EXPECT_THAT(Put(rollback), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER)) << "replayed";
}

TEST_F(PolicyStoreTest, AnOldRollbackCannotBeReplayedWhenItsVersionIsInForceAgain) {
  EXPECT_OK(Put(Version(5)));
  const StoredPolicy rollback = Version(3, 5, 100);
  EXPECT_OK(Put(rollback));
  EXPECT_OK(Put(Version(6, 0, 200)));
  EXPECT_OK(Put(Version(5, 6, 300)));  // 5 is in force again, by the owner's word
  EXPECT_THAT(Put(rollback), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  StoredPolicy other_signature = rollback;
  other_signature.jws = rollback.jws + "x";  // the same statement under another valid signature (ECDSA: s and n - s)
  EXPECT_THAT(Put(other_signature), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
}

TEST_F(PolicyStoreTest, RefusesRollbacksThatDoNotFit) {
  EXPECT_THAT(Put(Version(3, 5, 100)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER)) << "nothing in force";
  EXPECT_OK(Put(Version(5)));
  EXPECT_THAT(Put(Version(3, 4, 100)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER))
      << "another version in force";
  EXPECT_THAT(Put(Version(3, 5, 5)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER)) << "not signed later";
  EXPECT_THAT(Put(Version(5, 5, 100)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER)) << "not below";
}

TEST_F(PolicyStoreTest, ANameBelongsToItsFirstOwner) {
  EXPECT_OK(Put(Version(1)));
  StoredPolicy other = Version(2);
  other.owner = "spiffe://example.org/owner/b";
  EXPECT_THAT(Put(other), StatusIs(v1::DENY_REASON_POLICY_OWNER_UNKNOWN));
}

TEST_F(PolicyStoreTest, RemembersAcrossARestart) {
  EXPECT_OK(Put(Version(5)));
  EXPECT_OK(Put(Version(3, 5, 100)));
  Open();
  EXPECT_THAT(store_->LoadInForce(), IsOkAndHolds(::testing::ElementsAre(Version(3, 5, 100).jws)));
  EXPECT_THAT(Put(Version(5)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  EXPECT_THAT(Put(Version(4)), StatusIs(v1::DENY_REASON_POLICY_VERSION_NOT_HIGHER));
  EXPECT_THAT(store_->Known(Version(5).jws), IsOkAndHolds(true));
  EXPECT_THAT(store_->Known(Version(6).jws), IsOkAndHolds(false));
}

TEST_F(PolicyStoreTest, PagesByName) {
  for (const char* name : {"c", "a", "b"}) {
    StoredPolicy policy = Version(1);
    policy.name = name;
    policy.jws = std::string("h.") + name + ".s";
    if (*name == 'b') policy.owner = "spiffe://example.org/owner/of-b";
    EXPECT_OK(Put(policy));
  }
  EXPECT_THAT(store_->Page(std::nullopt, "", 2), IsOkAndHolds(::testing::ElementsAre("h.a.s", "h.b.s")));
  EXPECT_THAT(store_->Page(std::nullopt, "b", 2), IsOkAndHolds(::testing::ElementsAre("h.c.s")));
  EXPECT_THAT(store_->Page(std::nullopt, "c", 2), IsOkAndHolds(::testing::IsEmpty()));
  EXPECT_THAT(store_->Page("spiffe://example.org/owner/of-b", "", 2), IsOkAndHolds(::testing::ElementsAre("h.b.s")));
  EXPECT_THAT(store_->Page("", "", 2), IsOkAndHolds(::testing::IsEmpty())) << "no owner is not every owner";
}

}  // namespace
}  // namespace twi::claims_mapper
