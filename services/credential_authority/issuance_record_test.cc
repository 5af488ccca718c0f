#include "services/credential_authority/issuance_record.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "common/storage/session.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"

namespace twi::credential_authority {
namespace {

using testing::StatusIs;

class IssuanceRecordTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    database_ = nullptr;
    database_ = *storage::Database::Open(dir_.File("ca.db"), {kIssuanceSchema});
  }
  static v1::GetIssuanceResponse Record(const std::string& serial) {
    v1::GetIssuanceResponse record;
    record.set_serial(serial);
    record.set_jti(serial);
    record.set_workload_identifier("spiffe://test.example/payroll");
    record.set_mechanism("B");
    record.set_policy_owner("spiffe://test.example/owner/payroll");
    record.set_issued_unix(1795262400);
    record.set_not_after_unix(1795266000);
    record.set_grant(std::string("with a\0byte", 11));
    return record;
  }
  SingleUse Once(const std::string& results, const std::string& grant) const {
    SingleUse once;
    once.results_jti = results;
    once.results_expire = clock_.Now() + absl::Minutes(5);
    once.grant_jti = grant;
    once.grant_expires = clock_.Now() + absl::Minutes(2);
    return once;
  }
  absl::Status Put(const std::string& serial, const SingleUse& once) {
    return RecordIssuance(*database_, Record(serial), once, clock_.Now());
  }
  absl::StatusOr<v1::GetIssuanceResponse> BySerial(const std::string& serial) {
    v1::GetIssuanceRequest request;
    request.set_serial(serial);
    return FindIssuance(*database_, request, std::nullopt);
  }
  long long Count() { return *CountIssuances(*database_); }

  testing::FakeClock clock_;
  testing::TempDir dir_;
  std::unique_ptr<storage::Database> database_;
};

TEST_F(IssuanceRecordTest, IsFoundBySerialAndByJtiAlsoAfterAReopen) {
  ASSERT_OK(Put("01ab", Once("r1", "g1")));
  Open();
  const auto found = BySerial("01ab");
  ASSERT_OK(found);
  EXPECT_EQ(found->SerializeAsString(), Record("01ab").SerializeAsString());
  v1::GetIssuanceRequest by_jti;
  by_jti.set_jti("01ab");
  EXPECT_OK(FindIssuance(*database_, by_jti, std::nullopt));
  EXPECT_EQ(Count(), 1);
}

TEST_F(IssuanceRecordTest, AnotherOwnersRecordIsAsUnknownAsNone) {
  ASSERT_OK(Put("01ab", Once("r1", "g1")));
  v1::GetIssuanceRequest request;
  request.set_serial("01ab");
  EXPECT_OK(FindIssuance(*database_, request, "spiffe://test.example/owner/payroll"));
  for (const char* reader : {"spiffe://test.example/owner/ledger", ""})
    EXPECT_THAT(FindIssuance(*database_, request, reader), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN)) << reader;
  v1::GetIssuanceResponse ownerless = Record("02ab");
  ownerless.clear_policy_owner();
  ASSERT_OK(RecordIssuance(*database_, ownerless, Once("r2", "g2"), clock_.Now()));
  request.set_serial("02ab");
  EXPECT_THAT(FindIssuance(*database_, request, ""), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN)) << "nobody's";
}

TEST_F(IssuanceRecordTest, UnknownAndMalformedIdsAreRefused) {
  ASSERT_OK(Put("01ab", Once("r1", "g1")));
  EXPECT_THAT(BySerial("01ac"), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN));
  EXPECT_THAT(BySerial("01AB"), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN));
  EXPECT_THAT(BySerial("' OR '1'='1"), StatusIs(v1::DENY_REASON_ISSUANCE_UNKNOWN));
  EXPECT_THAT(BySerial(""), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(BySerial(std::string(65, 'a')), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
  EXPECT_THAT(FindIssuance(*database_, {}, std::nullopt), StatusIs(v1::DENY_REASON_REQUEST_MALFORMED));
}

TEST_F(IssuanceRecordTest, ResultsAndGrantsAreGoodForOneCredentialAlsoAfterAReopen) {
  ASSERT_OK(Put("01", Once("r1", "g1")));
  EXPECT_THAT(Put("02", Once("r1", "g2")), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  EXPECT_THAT(Put("02", Once("r2", "g1")), StatusIs(v1::DENY_REASON_GRANT_REPLAYED));
  Open();
  EXPECT_THAT(Put("02", Once("r1", "g2")), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED));
  EXPECT_THAT(Put("02", Once("r2", "g1")), StatusIs(v1::DENY_REASON_GRANT_REPLAYED));
  EXPECT_EQ(Count(), 1);
  EXPECT_OK(Put("02", Once("r2", "g2"))) << "what was refused used nothing up";
}

TEST_F(IssuanceRecordTest, ACounterSignedRequestIsGoodForOneCredential) {
  SingleUse once = Once("", "g1");
  once.csr_sha256 = std::string(32, 'c');
  once.csr_expires = clock_.Now() + absl::Hours(24);
  EXPECT_OK(Put("01", once));
  once.grant_jti = "g2";
  EXPECT_THAT(Put("02", once), StatusIs(v1::DENY_REASON_COUNTER_SIGNATURE_INVALID));
  once.csr_sha256 = std::string(32, 'd');
  EXPECT_OK(Put("02", once));
}

TEST_F(IssuanceRecordTest, ResultsAndGrantsOfTheSameIdAreDifferentThings) {
  EXPECT_OK(Put("01", Once("x", "x")));
  EXPECT_OK(Put("02", Once("", "y"))) << "D has no results";
  EXPECT_OK(Put("03", Once("", "z")));
}

TEST_F(IssuanceRecordTest, ASerialIsIssuedOnce) {
  ASSERT_OK(Put("01", Once("r1", "g1")));
  EXPECT_THAT(Put("01", Once("r2", "g2")), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  EXPECT_OK(Put("02", Once("r2", "g2"))) << "what failed used nothing up";
}

TEST_F(IssuanceRecordTest, IdsAreForgottenOnlyWhenTheyCouldNotBeUsedAnyMore) {
  ASSERT_OK(Put("01", Once("r1", "g1")));
  clock_.Advance(absl::Minutes(5));
  EXPECT_THAT(Put("02", Once("r1", "g2")), StatusIs(v1::DENY_REASON_RESULTS_REPLAYED)) << "within the margin";
  clock_.Advance(absl::Minutes(2));
  ASSERT_OK(Put("03", Once("r3", "g3")));
  long long left = 0;
  ASSERT_OK(database_->Read([&](storage::Session& session) {
    session.Row("SELECT COUNT(*) FROM used_ids", soci::into(left));
    return absl::OkStatus();
  }));
  EXPECT_EQ(left, 2) << "those of 03";
}

TEST_F(IssuanceRecordTest, OfManyAtOnceOneWins) {
  std::vector<std::thread> threads;
  std::atomic<int> issued{0}, replayed{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const absl::Status status = Put(absl::StrCat("0", i), Once("same", absl::StrCat("g", i)));
      if (status.ok()) ++issued;
      if (!status.ok() && DenyReasonOf(status) == v1::DENY_REASON_RESULTS_REPLAYED) ++replayed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(issued, 1);
  EXPECT_EQ(replayed, 7);
  EXPECT_EQ(Count(), 1);
}

TEST_F(IssuanceRecordTest, ABrokenStoreIsStorageFailed) {
  ASSERT_OK(Put("01", Once("r1", "g1")));
  ASSERT_OK(database_->Write([](storage::Session& session) {
    session.Change("UPDATE issuance SET record = CAST('junk' AS BLOB)");
    return absl::OkStatus();
  }));
  EXPECT_THAT(BySerial("01"), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  ASSERT_OK(database_->Write([](storage::Session& session) {
    session.Change("DROP TABLE issuance");
    return absl::OkStatus();
  }));
  EXPECT_THAT(Put("02", Once("r2", "g2")), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
  EXPECT_THAT(BySerial("01"), StatusIs(v1::DENY_REASON_STORAGE_FAILED));
}

}  // namespace
}  // namespace twi::credential_authority
