#include "common/storage/database.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "common/status/deny.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

const char kTable[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, bytes BLOB); CREATE TABLE child(t INTEGER NOT NULL REFERENCES t(id));";

mode_t ModeOf(const std::string& file) {
  struct stat info;
  return stat(file.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

absl::Status Insert(Database& database, long long id, const std::string& bytes = "") {
  return database.Write([&](Session& s) {
    s.Change("INSERT INTO t VALUES (?, CAST(? AS BLOB))", soci::use(id), soci::use(bytes));
    return absl::OkStatus();
  });
}

long long Count(Database& database) {
  long long count = -1;
  EXPECT_TRUE(database
                  .Read([&](Session& s) {
                    s.Row("SELECT count(*) FROM t", soci::into(count));
                    return absl::OkStatus();
                  })
                  .ok());
  return count;
}

class DatabaseTest : public testing::Test {
 protected:
  std::unique_ptr<Database> MustOpen() {
    auto database = Database::Open(file_, {kTable});
    EXPECT_TRUE(database.ok()) << database.status();
    return database.ok() ? *std::move(database) : nullptr;
  }
  void ExpectOpenRefused(const std::string& file, const Migrations& migrations = {kTable}) {
    const auto database = Database::Open(file, migrations);
    EXPECT_EQ(DenyReasonOf(database.status()), v1::DENY_REASON_STORAGE_FAILED) << database.status();
  }

  TempDir dir_;
  const std::string file_ = dir_ / "twi.db";
};

TEST_F(DatabaseTest, KeepsWhatWasWritten) {
  auto database = MustOpen();
  ASSERT_TRUE(Insert(*database, 1).ok());
  EXPECT_EQ(Count(*database), 1);
  database.reset();
  database = MustOpen();
  EXPECT_EQ(Count(*database), 1);
}

TEST_F(DatabaseTest, FilesArePrivateWhateverTheUmask) {
  const mode_t before = umask(0);
  auto database = MustOpen();
  ASSERT_TRUE(Insert(*database, 1).ok());
  umask(before);
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(ModeOf(file_ + suffix), 0600u) << suffix;
}

TEST_F(DatabaseTest, IsDurable) {
  auto database = MustOpen();
  ASSERT_TRUE(database
                  ->Write([](Session& s) {
                    std::string mode;
                    long long synchronous = 0, foreign_keys = 0;
                    s.Row("PRAGMA journal_mode", soci::into(mode));
                    s.Row("PRAGMA synchronous", soci::into(synchronous));
                    s.Row("PRAGMA foreign_keys", soci::into(foreign_keys));
                    EXPECT_EQ(mode, "wal");
                    EXPECT_EQ(synchronous, 2);  // FULL
                    EXPECT_EQ(foreign_keys, 1);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(DatabaseTest, IsNotDurableOnlyWhenToldSo) {
  auto database = Database::Open(file_, {kTable}, /*durable=*/false);
  ASSERT_TRUE(database.ok());
  long long synchronous = -1;
  ASSERT_TRUE((*database)
                  ->Write([&](Session& s) {
                    s.Row("PRAGMA synchronous", soci::into(synchronous));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(synchronous, 0);
}

TEST_F(DatabaseTest, ReadSeesOneSnapshot) {
  auto database = MustOpen();
  ASSERT_TRUE(Insert(*database, 1).ok());
  ASSERT_TRUE(database
                  ->Read([&](Session& s) {
                    long long first = 0, second = 0;
                    s.Row("SELECT count(*) FROM t", soci::into(first));
                    EXPECT_TRUE(Insert(*database, 2).ok());
                    s.Row("SELECT count(*) FROM t", soci::into(second));
                    EXPECT_EQ(first, 1);
                    EXPECT_EQ(second, 1);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(Count(*database), 2);
}

TEST_F(DatabaseTest, ManyThreadsReadWhatTheyWrote) {
  auto database = MustOpen();
  std::vector<std::thread> threads;
  for (long long t = 0; t < 8; ++t) {
    threads.emplace_back([&database, t] {
      for (long long i = 0; i < 25; ++i) {
        const long long id = t * 1000 + i;
        EXPECT_TRUE(Insert(*database, id).ok());
        bool found = false;
        EXPECT_TRUE(database
                        ->Read([&](Session& s) {
                          long long got = 0;
                          found = s.Row("SELECT id FROM t WHERE id = ?", soci::into(got), soci::use(id));
                          return absl::OkStatus();
                        })
                        .ok());
        EXPECT_TRUE(found);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Count(*database), 200);
}

TEST_F(DatabaseTest, ReadPassesOnWhatItRefused) {
  auto database = MustOpen();
  EXPECT_EQ(DenyReasonOf(database->Read([](Session&) { return Deny(v1::DENY_REASON_ISSUANCE_UNKNOWN, "no"); })),
            v1::DENY_REASON_ISSUANCE_UNKNOWN);
  EXPECT_EQ(Count(*database), 0);
}

TEST_F(DatabaseTest, RefusesToWriteInARead) {
  auto database = MustOpen();
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(DenyReasonOf(database->Read([](Session& s) {
                s.Change("INSERT INTO t VALUES (9, '')");
                return absl::OkStatus();
              })),
              v1::DENY_REASON_STORAGE_FAILED);
  }
  EXPECT_EQ(Count(*database), 0);
}

TEST_F(DatabaseTest, RefusesReadThatEndsItsTransactionOnlyForItself) {
  auto database = MustOpen();
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(DenyReasonOf(database->Read([](Session& s) {
                s.Script("COMMIT; nonsense");
                return absl::OkStatus();
              })),
              v1::DENY_REASON_STORAGE_FAILED);
  }
  EXPECT_EQ(Count(*database), 0);
}

TEST_F(DatabaseTest, RefusesBrokenForeignKey) {
  auto database = MustOpen();
  EXPECT_EQ(DenyReasonOf(database->Write([](Session& s) {
              s.Change("INSERT INTO child VALUES (77)");
              return absl::OkStatus();
            })),
            v1::DENY_REASON_STORAGE_FAILED);
}

TEST_F(DatabaseTest, RefusesFileThatOthersMayUse) {
  MustOpen().reset();
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610}) {
    ASSERT_EQ(chmod(file_.c_str(), mode), 0);
    ExpectOpenRefused(file_);
  }
  ASSERT_EQ(chmod(file_.c_str(), 0600), 0);
  EXPECT_NE(MustOpen(), nullptr);
}

TEST_F(DatabaseTest, RefusesASecondDaemonUntilTheFirstHasGone) {
  auto first = Database::Open(file_, {kTable});
  ASSERT_TRUE(first.ok()) << first.status();
  std::filesystem::create_symlink(file_, dir_ / "other-name");
  for (const std::string& name : {file_, dir_ / "other-name"}) {
    const auto second = Database::Open(name, {kTable});
    EXPECT_EQ(DenyReasonOf(second.status()), v1::DENY_REASON_STORAGE_FAILED);
    EXPECT_NE(second.status().message().find("in use by another daemon (process " + std::to_string(getpid()) + ")"),
              std::string::npos)
        << second.status();
  }
  first->reset();
  EXPECT_TRUE(Database::Open(file_, {kTable}).ok());
}

// The kernel gives the lock back, whatever the process could not do any more.
TEST_F(DatabaseTest, IsFreeAfterAProcessWasKilled) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto database = Database::Open(file_, {kTable});
    const char byte = database.ok() ? 'y' : 'n';
    _exit(write(ready[1], &byte, 1) == 1 && pause() == 0 ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_FALSE(Database::Open(file_, {kTable}).ok());
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(Database::Open(file_, {kTable}).ok());
  close(ready[0]);
  close(ready[1]);
}

TEST_F(DatabaseTest, RefusesWalThatOthersMayUse) {
  MustOpen().reset();
  std::ofstream(file_ + "-wal").close();
  ASSERT_EQ(chmod((file_ + "-wal").c_str(), 0644), 0);
  ExpectOpenRefused(file_);
}

TEST_F(DatabaseTest, RefusesNewerSchema) {
  auto newer = Database::Open(file_, {kTable, "CREATE TABLE u(x)"});
  ASSERT_TRUE(newer.ok());
  newer->reset();
  ExpectOpenRefused(file_);
}

TEST_F(DatabaseTest, RefusesFailingMigration) {
  ExpectOpenRefused(file_, {kTable, "nonsense"});
  EXPECT_NE(MustOpen(), nullptr);
}

TEST_F(DatabaseTest, RefusesWhatIsNotADatabase) {
  std::ofstream(file_) << std::string(8192, 'x');
  ASSERT_EQ(chmod(file_.c_str(), 0600), 0);
  ExpectOpenRefused(file_);
}

TEST_F(DatabaseTest, RefusesUnusablePaths) {
  ExpectOpenRefused("");
  ExpectOpenRefused(dir_ / "no folder/x.db");
  ExpectOpenRefused(dir_ / "a\"b.db");
  std::filesystem::create_directory(dir_ / "folder");
  ExpectOpenRefused(dir_ / "folder");
}

// The disk refuses (here: the process' file size limit): nothing is acknowledged that is not stored, and work goes on
// when there is room again.
TEST_F(DatabaseTest, RefusesWhenTheDiskRefuses) {
  auto database = MustOpen();
  std::atomic<std::size_t> failed{0}, stored{0};
  database->ObserveCommits([&](absl::Duration, std::size_t writes) {
    stored += writes;
    if (writes == 0) ++failed;
  });
  ASSERT_TRUE(Insert(*database, 1).ok());
  EXPECT_TRUE(database->Ping().ok());
  EXPECT_EQ(stored.load(), 1u) << "a store that is well is only read";
  const auto previous = signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small { static_cast<rlim_t>(std::filesystem::file_size(file_ + "-wal")) + 4096, limit.rlim_max };
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::vector<std::future<absl::Status>> results;
  for (long long id = 2; id < 10; ++id) {
    results.push_back(
        std::async(std::launch::async, [&database, id] { return Insert(*database, id, std::string(100000, 'x')); }));
  }
  std::vector<DenyReason> reasons;
  for (auto& result : results) reasons.push_back(DenyReasonOf(result.get()));
  const std::size_t failed_groups = failed;
  const DenyReason pinged = DenyReasonOf(database->Ping());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  signal(SIGXFSZ, previous);

  for (const DenyReason reason : reasons) EXPECT_EQ(reason, v1::DENY_REASON_STORAGE_FAILED);
  EXPECT_GE(failed_groups, 1u);
  EXPECT_EQ(pinged, v1::DENY_REASON_STORAGE_FAILED) << "it wrote for trial";
  EXPECT_EQ(failed.load(), failed_groups + 1);
  EXPECT_EQ(stored.load(), 1u);
  EXPECT_EQ(Count(*database), 1);
  EXPECT_TRUE(database->Ping().ok()) << "there is room again";
  EXPECT_EQ(stored.load(), 2u);
  EXPECT_TRUE(database->Ping().ok());
  EXPECT_EQ(stored.load(), 2u) << "and then it only reads";
  EXPECT_TRUE(Insert(*database, 50, std::string(100000, 'x')).ok());
  EXPECT_EQ(stored.load(), 3u);
  database.reset();
  EXPECT_EQ(Count(*MustOpen()), 2);
}

}  // namespace
}  // namespace twi::storage
