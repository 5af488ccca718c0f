#include "common/storage/signing_keys.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/status/deny.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

// Refuses writes while `refuse` is set, as a full disk does.
class FlakyDatabase final : public Database {
 public:
  explicit FlakyDatabase(std::unique_ptr<Database> real) : real_(std::move(real)) {}
  absl::Status Write(const std::function<absl::Status(Session&)>& write) override {
    ++writes;
    return refuse ? Deny(v1::DENY_REASON_STORAGE_FAILED, "test") : real_->Write(write);
  }
  absl::Status Read(const std::function<absl::Status(Session&)>& read) override { return real_->Read(read); }
  void ObserveCommits(OnCommit on_commit) override { real_->ObserveCommits(std::move(on_commit)); }
  absl::Status Ping() override { return real_->Ping(); }
  std::atomic<bool> refuse{false};
  std::atomic<int> writes{0};

 private:
  std::unique_ptr<Database> real_;
};

class SigningKeysTest : public testing::Test {
 protected:
  SigningKeysTest() {
    config_.mutable_rotate_after()->set_seconds(3600);
    config_.mutable_overlap()->set_seconds(600);
  }
  absl::StatusOr<std::unique_ptr<SigningKeys>> Load(absl::Time now, absl::string_view purpose = "results") {
    return SigningKeys::Load(database_, *sealer_, random_, purpose, config_, now);
  }
  std::unique_ptr<SigningKeys> MustLoad(absl::Time now, absl::string_view purpose = "results") {
    auto keys = Load(now, purpose);
    EXPECT_TRUE(keys.ok()) << keys.status();
    return keys.ok() ? *std::move(keys) : nullptr;
  }
  void ExpectLoadRefused(DenyReason reason) {
    const auto keys = Load(start_);
    EXPECT_EQ(DenyReasonOf(keys.status()), reason) << keys.status();
  }
  long long StoredKeys() {
    long long count = -1;
    EXPECT_TRUE(database_
                    .Read([&](Session& s) {
                      s.Row("SELECT count(*) FROM signing_keys", soci::into(count));
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }
  void Sql(const std::string& sql) {
    ASSERT_TRUE(database_
                    .Write([&](Session& s) {
                      s.Script(sql);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  static std::vector<std::string> Kids(const jose::JwkSet& set) {
    std::vector<std::string> kids;
    for (const jose::Jwk& jwk : set.keys) kids.push_back(jwk.kid);
    return kids;
  }

  const absl::Time start_ = absl::FromUnixSeconds(1795000000);
  TempDir dir_;
  FlakyDatabase database_{*Database::Open(dir_ / "twi.db", {kSigningKeysSchema})};
  crypto::SystemRandom random_;
  std::unique_ptr<Sealer> sealer_ = *Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'k')));
  config::v1::SigningKeys config_;
};

TEST_F(SigningKeysTest, MakesAKeyThatSignsAndIsPublished) {
  const auto keys = MustLoad(start_);
  const auto active = keys->Current(start_);
  EXPECT_EQ(active->key.type(), crypto::KeyType::kP256);
  EXPECT_EQ(active->kid, jose::Thumbprint(active->key.public_key()));
  const jose::JwkSet set = keys->Published(start_);
  ASSERT_EQ(set.keys.size(), 1u);
  EXPECT_EQ(set.keys[0].kid, active->kid);
  EXPECT_EQ(set.keys[0].alg, "ES256");
  EXPECT_EQ(set.keys[0].use, "sig");
  const auto signature = active->key.Sign(crypto::SignatureAlgorithm::kEcdsaP256Sha256Raw, "x");
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE(set.keys[0].key.Verify(crypto::SignatureAlgorithm::kEcdsaP256Sha256Raw, "x", *signature).ok());
}

TEST_F(SigningKeysTest, RestartKeepsKeysAndAges) {
  auto keys = MustLoad(start_);
  ASSERT_TRUE(keys->Rotate(start_ + absl::Minutes(5)).ok());
  const auto kids = Kids(keys->Published(start_ + absl::Minutes(6)));
  ASSERT_EQ(kids.size(), 2u);
  keys = MustLoad(start_ + absl::Minutes(6));
  EXPECT_EQ(Kids(keys->Published(start_ + absl::Minutes(6))), kids);
  EXPECT_EQ(keys->Current(start_ + absl::Minutes(64))->kid, kids[0]);
  EXPECT_NE(keys->Current(start_ + absl::Minutes(65))->kid, kids[0]);
}

TEST_F(SigningKeysTest, RotatesWhenDueAndPublishesTheOldKeyForTheOverlap) {
  const auto keys = MustLoad(start_);
  const std::string first = keys->Current(start_)->kid;
  EXPECT_EQ(keys->Current(start_ + absl::Seconds(3599))->kid, first);
  const absl::Time due = start_ + absl::Seconds(3600);
  const std::string second = keys->Current(due)->kid;
  EXPECT_NE(second, first);
  EXPECT_EQ(Kids(keys->Published(due)), (std::vector<std::string>{second, first}));
  EXPECT_EQ(Kids(keys->Published(due + absl::Seconds(599))), (std::vector<std::string>{second, first}));
  EXPECT_EQ(Kids(keys->Published(due + absl::Seconds(600))), (std::vector<std::string>{second}));
}

TEST_F(SigningKeysTest, DeletesOldKeysAfterTheOverlap) {
  const auto keys = MustLoad(start_);
  ASSERT_TRUE(keys->Rotate(start_).ok());
  EXPECT_EQ(keys->Current(start_ + absl::Seconds(599))->kid, Kids(keys->Published(start_))[0]);
  EXPECT_EQ(StoredKeys(), 2);
  (void)keys->Current(start_ + absl::Seconds(600));
  EXPECT_EQ(StoredKeys(), 1);
}

TEST_F(SigningKeysTest, RotatesAtLoadWhenDue) {
  const std::string first = MustLoad(start_)->Current(start_)->kid;
  const absl::Time later = start_ + absl::Hours(50);
  const auto keys = MustLoad(later);
  const auto kids = Kids(keys->Published(later));
  ASSERT_EQ(kids.size(), 2u);
  EXPECT_EQ(kids[1], first);
}

TEST_F(SigningKeysTest, PurposesAreApart) {
  const auto results = MustLoad(start_), grant = MustLoad(start_, "grant");
  EXPECT_NE(results->Current(start_)->kid, grant->Current(start_)->kid);
  EXPECT_EQ(grant->Published(start_).keys.size(), 1u);
  ASSERT_TRUE(grant->Rotate(start_).ok());
  EXPECT_EQ(results->Published(start_).keys.size(), 1u);
}

TEST_F(SigningKeysTest, UnsetDurationsAreTheDefaults) {
  config_.Clear();
  const auto keys = MustLoad(start_);
  const std::string first = keys->Current(start_)->kid;
  EXPECT_EQ(keys->Current(start_ + absl::Hours(720) - absl::Seconds(1))->kid, first);
  EXPECT_NE(keys->Current(start_ + absl::Hours(720))->kid, first);
  EXPECT_EQ(keys->Published(start_ + absl::Hours(743)).keys.size(), 2u);
  EXPECT_EQ(keys->Published(start_ + absl::Hours(744)).keys.size(), 1u);
}

TEST_F(SigningKeysTest, ManyThreadsRotateOnce) {
  const auto keys = MustLoad(start_);
  const absl::Time due = start_ + absl::Hours(1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) EXPECT_NE(keys->Current(due), nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(keys->Published(due).keys.size(), 2u);
}

TEST_F(SigningKeysTest, FailedRotationKeepsTheOldKeyAndIsTriedAgainAMinuteLater) {
  const auto keys = MustLoad(start_);
  const std::string first = keys->Current(start_)->kid;
  const absl::Time due = start_ + absl::Hours(1);
  database_.refuse = true;
  EXPECT_EQ(keys->Current(due)->kid, first);
  const int writes = database_.writes;
  EXPECT_EQ(keys->Current(due + absl::Seconds(59))->kid, first);
  EXPECT_EQ(database_.writes, writes);
  EXPECT_EQ(Kids(keys->Published(due)), (std::vector<std::string>{first}));
  database_.refuse = false;
  EXPECT_NE(keys->Current(due + absl::Seconds(60))->kid, first);
}

TEST_F(SigningKeysTest, RefusesRotationThatIsNotStored) {
  const auto keys = MustLoad(start_);
  const std::string first = keys->Current(start_)->kid;
  database_.refuse = true;
  EXPECT_EQ(DenyReasonOf(keys->Rotate(start_)), v1::DENY_REASON_STORAGE_FAILED);
  EXPECT_EQ(keys->Current(start_)->kid, first);
}

TEST_F(SigningKeysTest, RefusesMoreKeysThanAJwksHolds) {
  const auto keys = MustLoad(start_);
  for (int i = 0; i < 31; ++i) ASSERT_TRUE(keys->Rotate(start_).ok()) << i;
  EXPECT_EQ(DenyReasonOf(keys->Rotate(start_)), v1::DENY_REASON_OVERLOADED);
  EXPECT_EQ(keys->Published(start_).keys.size(), 32u);
  EXPECT_TRUE(keys->Rotate(start_ + absl::Minutes(10)).ok());
  EXPECT_EQ(keys->Published(start_ + absl::Minutes(10)).keys.size(), 2u);
}

TEST_F(SigningKeysTest, RefusesToStartWhenTheFirstKeyIsNotStored) {
  database_.refuse = true;
  ExpectLoadRefused(v1::DENY_REASON_STORAGE_FAILED);
}

TEST_F(SigningKeysTest, RefusesOtherRootKey) {
  ASSERT_NE(MustLoad(start_), nullptr);
  sealer_ = *Sealer::FromKey(SecretBytes::CopyOf(std::string(32, 'K')));
  ExpectLoadRefused(v1::DENY_REASON_DECRYPTION_FAILED);
}

TEST_F(SigningKeysTest, RefusesKeyMovedToAnotherPurposeOrKid) {
  ASSERT_NE(MustLoad(start_, "grant"), nullptr);
  Sql("UPDATE signing_keys SET purpose = 'results'");
  ExpectLoadRefused(v1::DENY_REASON_DECRYPTION_FAILED);
  Sql("UPDATE signing_keys SET purpose = 'grant', kid = 'other'");
  EXPECT_EQ(DenyReasonOf(Load(start_, "grant").status()), v1::DENY_REASON_DECRYPTION_FAILED);
}

TEST_F(SigningKeysTest, RefusesChangedKeyAlsoWhenItIsRetired) {
  const auto keys = MustLoad(start_);
  ASSERT_TRUE(keys->Rotate(start_).ok());
  Sql("UPDATE signing_keys SET sealed_pkcs8 = CAST('x' || sealed_pkcs8 AS BLOB) WHERE retired_unix_ms IS NOT NULL");
  ExpectLoadRefused(v1::DENY_REASON_DECRYPTION_FAILED);
}

TEST_F(SigningKeysTest, RefusesKeyStoredUnderAnotherKeysThumbprint) {
  auto key = crypto::PrivateKey::Generate(crypto::KeyType::kP256);
  ASSERT_TRUE(key.ok());
  const auto sealed = sealer_->Seal("signing-key/results/other", key->ToPkcs8(), random_);
  ASSERT_TRUE(sealed.ok());
  ASSERT_TRUE(database_
                  .Write([&](Session& s) {
                    s.Change("INSERT INTO signing_keys VALUES ('results', 'other', 1, NULL, CAST(? AS BLOB))",
                             soci::use(*sealed));
                    return absl::OkStatus();
                  })
                  .ok());
  ExpectLoadRefused(v1::DENY_REASON_KEY_MALFORMED);
}

TEST_F(SigningKeysTest, RefusesTwoSigningKeysOfOnePurpose) {
  const auto keys = MustLoad(start_);
  EXPECT_EQ(DenyReasonOf(database_.Write([](Session& s) {
              s.Change("INSERT INTO signing_keys VALUES ('results', 'other', 1, NULL, 'x')");
              return absl::OkStatus();
            })),
            v1::DENY_REASON_STORAGE_FAILED);
}

TEST_F(SigningKeysTest, RefusesBadConfig) {
  config_.mutable_rotate_after()->set_seconds(0);
  ExpectLoadRefused(v1::DENY_REASON_CONFIG_INVALID);
  config_.mutable_rotate_after()->set_seconds(-5);
  ExpectLoadRefused(v1::DENY_REASON_CONFIG_INVALID);
  config_.mutable_rotate_after()->set_seconds(3600);
  config_.mutable_overlap()->set_seconds(0);
  ExpectLoadRefused(v1::DENY_REASON_CONFIG_INVALID);
  config_.mutable_overlap()->set_seconds(17 * 3600);
  ExpectLoadRefused(v1::DENY_REASON_CONFIG_INVALID);
}

TEST_F(SigningKeysTest, RefusesNoPurposeAndNoTable) {
  EXPECT_EQ(DenyReasonOf(Load(start_, "").status()), v1::DENY_REASON_INTERNAL);
  Sql("DROP TABLE signing_keys");
  ExpectLoadRefused(v1::DENY_REASON_STORAGE_FAILED);
}

}  // namespace
}  // namespace twi::storage
