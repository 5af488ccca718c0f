// Credential Keys and records at rest.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/testing/fake_random.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/key_store/release_records.h"
#include "services/key_store/sealed_store.h"

namespace twi::key_store {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kSecret[] = "the private half, which must not be found on disk";

class StoresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(sealer_, storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'r'))));
    Open();
  }
  void Open() {
    store_.reset();
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_,
                         storage::Database::Open(dir_.File("keys.db"), {kCredentialKeysSchema, kReleaseRecordsSchema}));
    store_ = std::make_unique<SealedStore>(*database_, *sealer_, random_);
  }
  static CredentialKey Key(const std::string& id, const std::string& owner = "spiffe://test.example/owner/a") {
    CredentialKey key;
    key.key_id = id;
    key.type = v1::CREDENTIAL_KEY_TYPE_P256;
    key.owner = owner;
    key.target = "https://t";
    key.release_policy = "the policy";
    key.spki = "spki";
    key.created = absl::FromUnixMillis(1795262400123);
    return key;
  }
  absl::Status Sql(const std::string& sql) {
    return database_->Write([&](storage::Session& s) {
      s.Script(sql);
      return absl::OkStatus();
    });
  }
  std::string OnDisk() {
    std::string all;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  static ReleaseRecord Record(const std::string& jti, DenyReason reason = v1::DENY_REASON_UNSPECIFIED) {
    ReleaseRecord record;
    record.key_id = "k";
    record.at = absl::FromUnixMillis(1795262400123);
    record.results_jti = jti;
    record.results_sha256 = std::string(32, 's');
    record.peer = "attested_key:00";
    record.reason = reason;
    record.detail = "what was wrong";
    return record;
  }

  testing::TempDir dir_;
  testing::FakeRandom random_;
  std::unique_ptr<storage::Sealer> sealer_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<SealedStore> store_;
};

TEST_F(StoresTest, AKeyIsThereAgainAfterARestart) {
  ASSERT_OK(store_->Add(Key("a1"), SecretBytes::CopyOf(kSecret)));
  Open();
  ASSERT_OK_AND_ASSIGN(const CredentialKey key, store_->Find("a1"));
  EXPECT_EQ(key.owner, Key("").owner);
  EXPECT_EQ(key.release_policy, "the policy");
  EXPECT_EQ(key.created, Key("").created);
  EXPECT_EQ(key.type, v1::CREDENTIAL_KEY_TYPE_P256);
  ASSERT_OK_AND_ASSIGN(const SecretBytes pkcs8, store_->Unseal(key));
  EXPECT_EQ(std::string(pkcs8.reveal()), kSecret);
}

TEST_F(StoresTest, NoFileHoldsTheKey) {
  ASSERT_OK(store_->Add(Key("a1"), SecretBytes::CopyOf(kSecret)));
  EXPECT_THAT(OnDisk(), HasSubstr("the policy"));  // this is where it would be
  EXPECT_THAT(OnDisk(), ::testing::Not(HasSubstr("private half")));
}

TEST_F(StoresTest, RefusesAnUnknownKey) { EXPECT_THAT(store_->Find("a1"), StatusIs(v1::DENY_REASON_KEY_UNKNOWN)); }

TEST_F(StoresTest, RefusesASecondKeyOfTheSameId) {
  ASSERT_OK(store_->Add(Key("a1"), SecretBytes::CopyOf(kSecret)));
  CredentialKey other = Key("a1");
  other.release_policy = "another policy";
  EXPECT_THAT(store_->Add(other, SecretBytes::CopyOf("x")), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  EXPECT_EQ(store_->Find("a1")->release_policy, "the policy");
}

TEST_F(StoresTest, RefusesEveryChangeOfARow) {
  ASSERT_OK(store_->Add(Key("a1"), SecretBytes::CopyOf(kSecret)));
  for (const char* column : {"key_id", "key_type", "owner", "target", "release_policy", "release_policy_sha256", "spki",
                             "sealed_pkcs8", "created_unix_ms"}) {
    EXPECT_THAT(Sql(std::string("UPDATE credential_keys SET ") + column + " = 'x'"),
                StatusIs(v1::DENY_REASON_STORAGE_FAILED, HasSubstr("RELEASE_POLICY_IMMUTABLE")))
        << column;
  }
  EXPECT_THAT(Sql("INSERT OR REPLACE INTO credential_keys SELECT key_id, key_type, owner, target, 'x', "
                  "release_policy_sha256, spki, sealed_pkcs8, created_unix_ms FROM credential_keys"),
              StatusIs(v1::DENY_REASON_STORAGE_FAILED, HasSubstr("RELEASE_POLICY_IMMUTABLE")));
  EXPECT_EQ(store_->Find("a1")->release_policy, "the policy");
}

TEST_F(StoresTest, WhoChangesTheFileItselfMakesTheKeyUnreadable) {
  for (const char* column : {"release_policy", "target", "owner", "spki"}) {
    ASSERT_OK(store_->Add(Key("a1"), SecretBytes::CopyOf(kSecret)));
    ASSERT_OK(Sql(std::string("DROP TRIGGER credential_keys_immutable; UPDATE credential_keys SET ") + column +
                  " = 'loosened'"));
    ASSERT_OK_AND_ASSIGN(const CredentialKey key, store_->Find("a1"));
    EXPECT_THAT(store_->Unseal(key), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED)) << column;
    ASSERT_OK(
        Sql("DELETE FROM credential_keys; CREATE TRIGGER credential_keys_immutable BEFORE UPDATE ON credential_keys "
            "BEGIN SELECT RAISE(ABORT, 'x'); END"));
  }
}

TEST_F(StoresTest, RefusesASealOfAnotherKeyOrRoot) {
  ASSERT_OK(store_->Add(Key("a1"), SecretBytes::CopyOf(kSecret)));
  CredentialKey key = *store_->Find("a1");
  key.key_id = "a2";
  EXPECT_THAT(store_->Unseal(key), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED));
  key.key_id = "a1";
  const auto other_root = *storage::Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'q')));
  EXPECT_THAT(SealedStore(*database_, *other_root, random_).Unseal(key), StatusIs(v1::DENY_REASON_DECRYPTION_FAILED));
}

TEST_F(StoresTest, ListsAnOwnersKeysInPages) {
  for (const char* id : {"c", "a", "b"}) ASSERT_OK(store_->Add(Key(id), SecretBytes::CopyOf(kSecret)));
  ASSERT_OK(store_->Add(Key("d", "spiffe://test.example/owner/b"), SecretBytes::CopyOf(kSecret)));
  ASSERT_OK_AND_ASSIGN(const auto page, store_->List(Key("").owner, "a", 10));
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].key_id, "b");
  EXPECT_EQ(page[1].key_id, "c");
  EXPECT_EQ(store_->List(Key("").owner, "", 1)->size(), 1u);
}

TEST_F(StoresTest, ResultsOpenOneKeyOnceAlsoAfterARestart) {
  ASSERT_OK(ReleaseRecords(*database_, 1000).AddRelease(Record("j1")));
  EXPECT_THAT(ReleaseRecords(*database_, 1000).AddRelease(Record("j1")), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  Open();
  ReleaseRecords records(*database_, 1000);
  EXPECT_THAT(records.AddRelease(Record("j1")), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  EXPECT_OK(records.AddRelease(Record("j2")));
  EXPECT_EQ(records.Count("k")->releases, 2u);
}

TEST_F(StoresTest, ARefusalIsKeptWithItsReason) {
  ReleaseRecords records(*database_, 1000);
  ASSERT_OK(store_->Add(Key("k"), SecretBytes::CopyOf(kSecret)));
  ASSERT_OK(records.AddRefusal(Record("", v1::DENY_REASON_RESULTS_EXPIRED)));
  ReleaseRecord huge = Record("j", v1::DENY_REASON_KEY_UNKNOWN);
  huge.detail = std::string(100000, 'x');
  ASSERT_OK(records.AddRefusal(huge));
  ASSERT_OK(records.AddRelease(Record("j")));  // a refusal does not use results up
  ASSERT_OK_AND_ASSIGN(const auto kept, records.OfKey("k"));
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].reason, v1::DENY_REASON_UNSPECIFIED);
  EXPECT_EQ(kept[1].reason, v1::DENY_REASON_RESULTS_EXPIRED);
  EXPECT_EQ(kept[1].detail, "what was wrong");
  EXPECT_EQ(kept[1].peer, "attested_key:00");
  EXPECT_EQ(kept[2].detail.size(), 2048u);
}

TEST_F(StoresTest, TheOldestRefusalsOfAKeyGoReleasesStay) {
  ReleaseRecords records(*database_, 3);
  ASSERT_OK(store_->Add(Key("k"), SecretBytes::CopyOf(kSecret)));
  ASSERT_OK(records.AddRelease(Record("j")));
  for (int i = 0; i < 10; ++i)
    ASSERT_OK(records.AddRefusal(Record("", i < 9 ? v1::DENY_REASON_KEY_UNKNOWN : v1::DENY_REASON_RESULTS_EXPIRED)));
  EXPECT_EQ(records.Count("k")->refusals, 3u);
  EXPECT_EQ(records.Count("k")->releases, 1u);
  EXPECT_EQ(records.OfKey("k")->back().reason, v1::DENY_REASON_RESULTS_EXPIRED);
}

// A stranger who knows one key's id, or none, must not be able to wipe out what happened to the others.
TEST_F(StoresTest, RefusalsOfOneKeyDoNotDriveOutThoseOfAnother) {
  ReleaseRecords records(*database_, 3);
  for (const char* id : {"k", "l"}) ASSERT_OK(store_->Add(Key(id), SecretBytes::CopyOf(kSecret)));
  ASSERT_OK(records.AddRefusal(Record("", v1::DENY_REASON_RELEASE_POLICY_REFUSED)));
  ReleaseRecord flood = Record("", v1::DENY_REASON_KEY_UNKNOWN);
  for (int i = 0; i < 10; ++i) {
    for (const std::string& id : {std::string("l"), "made up " + std::to_string(i)}) {
      flood.key_id = id;
      ASSERT_OK(records.AddRefusal(flood));
    }
  }
  EXPECT_EQ(records.Count("k")->refusals, 1u);
  EXPECT_EQ(records.Count("l")->refusals, 3u);
  ASSERT_OK_AND_ASSIGN(const auto unknown, records.OfKey(""));
  ASSERT_EQ(unknown.size(), 3u) << "all that is unknown counts as one";
  EXPECT_EQ(unknown.back().detail, "asked for \"made up 9\": what was wrong");
}

}  // namespace
}  // namespace twi::key_store
