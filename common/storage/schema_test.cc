#include "common/storage/schema.h"

#include <string>

#include "common/status/deny.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

const char kFirst[] = "CREATE TABLE a(x INTEGER); CREATE INDEX a_x ON a(x);";
const char kSecond[] = "ALTER TABLE a ADD COLUMN y TEXT; INSERT INTO a VALUES (1, 'from 2');";

class SchemaTest : public testing::Test {
 protected:
  long long Version() {
    long long version = -1;
    session_.Row("SELECT version FROM schema_version", soci::into(version));
    return version;
  }
  long long Tables(const std::string& name) {
    long long count = 0;
    session_.Row("SELECT count(*) FROM sqlite_master WHERE name = ?", soci::into(count), soci::use(name));
    return count;
  }
  void ExpectRefused(const Migrations& migrations) {
    EXPECT_EQ(DenyReasonOf(Migrate(session_, migrations)), v1::DENY_REASON_STORAGE_FAILED);
    EXPECT_FALSE(session_.InTransaction());
  }

  TempDir dir_;
  Session session_{dir_ / "x.db"};
};

TEST_F(SchemaTest, AppliesEveryStatementOfEveryStepOnce) {
  ASSERT_TRUE(Migrate(session_, {kFirst, kSecond}).ok());
  EXPECT_EQ(Version(), 2);
  EXPECT_EQ(Tables("a_x"), 1);
  ASSERT_TRUE(Migrate(session_, {kFirst, kSecond}).ok());
  long long rows = 0;
  ASSERT_TRUE(session_.Row("SELECT count(*) FROM a", soci::into(rows)));
  EXPECT_EQ(rows, 1);
}

TEST_F(SchemaTest, AppliesOnlyWhatIsNew) {
  ASSERT_TRUE(Migrate(session_, {kFirst}).ok());
  ASSERT_TRUE(Migrate(session_, {kFirst, kSecond}).ok());
  EXPECT_EQ(Version(), 2);
}

TEST_F(SchemaTest, EmptyIsVersionZero) {
  ASSERT_TRUE(Migrate(session_, {}).ok());
  EXPECT_EQ(Version(), 0);
}

TEST_F(SchemaTest, RefusesNewerSchema) {
  ASSERT_TRUE(Migrate(session_, {kFirst, kSecond}).ok());
  ExpectRefused({kFirst});
  EXPECT_EQ(Version(), 2);
}

TEST_F(SchemaTest, RefusesFailingStepAndLeavesTheVersionBefore) {
  ASSERT_TRUE(Migrate(session_, {kFirst}).ok());
  ExpectRefused({kFirst, "CREATE TABLE b(x); INSERT INTO a VALUES (5); nonsense;"});
  EXPECT_EQ(Version(), 1);
  EXPECT_EQ(Tables("b"), 0);
  long long rows = -1;
  ASSERT_TRUE(session_.Row("SELECT count(*) FROM a", soci::into(rows)));
  EXPECT_EQ(rows, 0);
  ASSERT_TRUE(Migrate(session_, {kFirst, kSecond}).ok());
}

TEST_F(SchemaTest, RefusesFailingSecondStepButKeepsTheFirst) {
  ExpectRefused({kFirst, "CREATE TABLE b(x); nonsense"});
  EXPECT_EQ(Version(), 1);
  EXPECT_EQ(Tables("a"), 1);
}

TEST_F(SchemaTest, RefusesStepThatEndsItsTransaction) {
  ExpectRefused({"CREATE TABLE b(x); COMMIT;"});
  EXPECT_EQ(Version(), 0);
}

TEST_F(SchemaTest, RefusesStepThatTouchesTheVersion) {
  ExpectRefused({"CREATE TABLE b(x); UPDATE schema_version SET version = 7;"});
  EXPECT_EQ(Version(), 0);
  EXPECT_EQ(Tables("b"), 0);
}

TEST_F(SchemaTest, RefusesForeignVersionTable) {
  session_.Script(
      "CREATE TABLE schema_version(id INTEGER, version INTEGER); INSERT INTO schema_version VALUES (1, -3)");
  ExpectRefused({});
}

}  // namespace
}  // namespace twi::storage
