#include "common/storage/session.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "common/status/deny.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    session_.Script("PRAGMA foreign_keys = ON; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB)");
  }

  long long Insert(long long id, const std::string& name, const std::string& bytes) {
    return session_.Change("INSERT INTO t VALUES (?, ?, CAST(? AS BLOB))", soci::use(id), soci::use(name),
                           soci::use(bytes));
  }

  TempDir dir_;
  Session session_{dir_ / "with space and = sign.db"};
};

TEST_F(SessionTest, BytesComeBackAsTheyWere) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const std::string name("a\0b\xff", 4);
  ASSERT_EQ(Insert(1LL << 40, name, bytes), 1);
  ASSERT_EQ(Insert(2, "empty", ""), 1);

  std::string got_name, got_bytes, type;
  long long id = 0;
  ASSERT_TRUE(session_.Row("SELECT id, name, bytes, typeof(bytes) FROM t WHERE bytes = CAST(? AS BLOB)", soci::into(id),
                           soci::into(got_name), soci::into(got_bytes), soci::into(type), soci::use(bytes)));
  EXPECT_EQ(id, 1LL << 40);
  EXPECT_EQ(got_name, name);
  EXPECT_EQ(got_bytes, bytes);
  EXPECT_EQ(type, "blob");
  ASSERT_TRUE(session_.Row("SELECT bytes FROM t WHERE id = 2", soci::into(got_bytes)));
  EXPECT_EQ(got_bytes, "");
}

TEST_F(SessionTest, KeptStatementRunsAgainWithOtherValues) {
  for (long long id = 1; id <= 3; ++id) ASSERT_EQ(Insert(id, std::string(static_cast<std::size_t>(id), 'x'), "b"), 1);
  std::string name;
  for (const long long id : {3LL, 1LL, 2LL}) {
    ASSERT_TRUE(session_.Row("SELECT name FROM t WHERE id = ?", soci::into(name), soci::use(id)));
    EXPECT_EQ(name.size(), static_cast<std::size_t>(id));
  }
  EXPECT_FALSE(session_.Row("SELECT name FROM t WHERE id = ?", soci::into(name), soci::use(4LL)));
}

TEST_F(SessionTest, ChangeCountsRows) {
  ASSERT_EQ(Insert(1, "a", ""), 1);
  ASSERT_EQ(Insert(2, "b", ""), 1);
  const std::string name = "a";
  EXPECT_EQ(session_.Change("INSERT OR IGNORE INTO t(name) VALUES (?)", soci::use(name)), 0);
  EXPECT_EQ(session_.Change("UPDATE t SET bytes = 'x' WHERE id > 5"), 0);
  EXPECT_EQ(session_.Change("UPDATE t SET bytes = 'x'"), 2);
  EXPECT_EQ(session_.Change("DELETE FROM t"), 2);
}

TEST_F(SessionTest, RowsGivesEachRowOnce) {
  for (long long id = 1; id <= 5; ++id) ASSERT_EQ(Insert(id, std::to_string(id), ""), 1);
  std::vector<long long> ids;
  long long id = 0;
  for (int round = 0; round < 2; ++round) {
    ids.clear();
    session_.Rows(
        "SELECT id FROM t WHERE id > ? ORDER BY id", [&] { ids.push_back(id); }, soci::into(id), soci::use(2LL));
    EXPECT_EQ(ids, (std::vector<long long>{3, 4, 5}));
  }
  session_.Rows(
      "SELECT id FROM t WHERE id > ? ORDER BY id", [&] { ADD_FAILURE(); }, soci::into(id), soci::use(99LL));
}

TEST_F(SessionTest, NullIsTakenAndGivenThroughAnIndicator) {
  soci::indicator null = soci::i_null;
  const std::string unused;
  ASSERT_EQ(session_.Change("INSERT INTO t(id, name) VALUES (1, ?)", soci::use(unused, null)), 1);
  std::string name;
  soci::indicator seen = soci::i_ok;
  ASSERT_TRUE(session_.Row("SELECT name FROM t WHERE id = 1", soci::into(name, seen)));
  EXPECT_EQ(seen, soci::i_null);
}

TEST_F(SessionTest, SelectThatStoppedHalfWayHoldsNoLock) {
  for (long long id = 1; id <= 5; ++id) ASSERT_EQ(Insert(id, std::to_string(id), ""), 1);
  long long id = 0;
  EXPECT_THROW(session_.Rows(
                   "SELECT id FROM t", [] { throw std::runtime_error("stop"); }, soci::into(id)),
               std::runtime_error);
  EXPECT_TRUE(session_.Row("SELECT id FROM t", soci::into(id)));
  session_.Script("DROP TABLE t");  // "database table is locked" if a read were still open.
}

TEST_F(SessionTest, ThrowsOnNullWithoutIndicator) {
  ASSERT_EQ(session_.Change("INSERT INTO t(id) VALUES (1)"), 1);
  std::string name;
  EXPECT_THROW(session_.Row("SELECT name FROM t", soci::into(name)), soci::soci_error);
}

TEST_F(SessionTest, ThrowsOnBrokenConstraintAndTheStatementStaysUsable) {
  ASSERT_EQ(Insert(1, "a", ""), 1);
  EXPECT_THROW(Insert(2, "a", ""), soci::soci_error);
  EXPECT_EQ(Insert(2, "b", ""), 1);
}

TEST_F(SessionTest, ThrowsOnTooFewOrTooManyValues) {
  ASSERT_EQ(Insert(1, "a", ""), 1);
  const long long one = 1;
  EXPECT_THROW(session_.Change("UPDATE t SET name = 'x' WHERE id = 1", soci::use(one)), soci::soci_error);
}

TEST_F(SessionTest, ThrowsOnBadSqlInStatementAndScript) {
  EXPECT_THROW(session_.Change("INSERT INTO nowhere VALUES (1)"), soci::soci_error);
  EXPECT_THROW(session_.Script("CREATE TABLE ok(x); nonsense"), soci::soci_error);
}

TEST_F(SessionTest, ThrowsWhenAStatementRunsInsideItself) {
  ASSERT_EQ(Insert(1, "a", ""), 1);
  long long id = 0, inner = 0;
  EXPECT_THROW(session_.Rows(
                   "SELECT id FROM t", [&] { session_.Row("SELECT id FROM t", soci::into(inner)); }, soci::into(id)),
               soci::soci_error);
  EXPECT_TRUE(session_.Row("SELECT id FROM t", soci::into(id)));
}

TEST_F(SessionTest, KeepsABoundedNumberOfStatements) {
  long long got = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(session_.Row("SELECT " + std::to_string(i), soci::into(got)));
    ASSERT_EQ(got, i);
  }
}

TEST_F(SessionTest, SeesDeferredViolation) {
  session_.Script("CREATE TABLE child(t INTEGER REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED); BEGIN");
  EXPECT_TRUE(session_.InTransaction());
  EXPECT_FALSE(session_.HasDeferredViolation());
  session_.Change("INSERT INTO child VALUES (7)");
  EXPECT_TRUE(session_.HasDeferredViolation());
  session_.Script("ROLLBACK");
  EXPECT_FALSE(session_.InTransaction());
}

TEST_F(SessionTest, GuardedRefusesWithoutTheValuesThatWereBound) {
  ASSERT_EQ(Insert(1, "a-secret-value", ""), 1);
  const absl::Status status = Guarded(session_, [&](Session&) {
    Insert(2, "a-secret-value", "");
    return absl::OkStatus();
  });
  EXPECT_EQ(DenyReasonOf(status), v1::DENY_REASON_STORAGE_FAILED);
  EXPECT_NE(std::string(status.message()).find("UNIQUE"), std::string::npos) << status;
  EXPECT_EQ(std::string(status.message()).find("secret"), std::string::npos) << status;
}

TEST_F(SessionTest, GuardedRefusesOtherExceptions) {
  EXPECT_EQ(DenyReasonOf(Guarded(session_, [](Session&) -> absl::Status { throw std::runtime_error("x"); })),
            v1::DENY_REASON_INTERNAL);
  EXPECT_EQ(DenyReasonOf(Guarded(session_, [](Session&) -> absl::Status { throw 1; })), v1::DENY_REASON_INTERNAL);
  EXPECT_EQ(DenyReasonOf(Guarded(session_, nullptr)), v1::DENY_REASON_INTERNAL);
}

}  // namespace
}  // namespace twi::storage
