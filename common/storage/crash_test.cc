// A daemon that is killed at any moment has lost nothing that it acknowledged: a child writes and reports each
// acknowledged id through a pipe, is killed with SIGKILL after a random number of reports and a random delay, and the
// parent looks for every reported id.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/storage/database.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

constexpr int kRounds = 20;
constexpr int kThreads = 4;
constexpr int kMaxReports = 400;

const char kTable[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, bytes BLOB)";

// The child's whole life. Nothing of gtest may run here.
[[noreturn]] void WriteUntilKilled(const std::string& file, long long first_id, int pipe) {
  auto database = Database::Open(file, {kTable});
  if (!database.ok()) _exit(1);
  std::atomic<long long> next{first_id};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const std::string bytes(600, 'x');
      for (;;) {
        const long long id = next++;
        const absl::Status stored = (*database)->Write([&](Session& s) {
          s.Change("INSERT INTO t VALUES (?, CAST(? AS BLOB))", soci::use(id), soci::use(bytes));
          return absl::OkStatus();
        });
        if (!stored.ok() || write(pipe, &id, sizeof(id)) != sizeof(id)) _exit(2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  _exit(3);
}

// Gives the ids that one child had acknowledged when it was killed.
std::set<long long> RunAndKill(const std::string& file, long long first_id, std::mt19937& random) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    close(fds[0]);
    WriteUntilKilled(file, first_id, fds[1]);
  }
  close(fds[1]);
  std::set<long long> acknowledged;
  const std::size_t reports = random() % kMaxReports;
  long long id = 0;
  while (acknowledged.size() < reports && read(fds[0], &id, sizeof(id)) == sizeof(id)) acknowledged.insert(id);
  for (volatile unsigned spin = random() % 2000000; spin > 0; spin = spin - 1) {
  }
  kill(child, SIGKILL);
  while (read(fds[0], &id, sizeof(id)) == sizeof(id)) acknowledged.insert(id);
  close(fds[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  return acknowledged;
}

TEST(CrashTest, NothingAcknowledgedIsLost) {
  TempDir dir;
  const std::string file = dir / "twi.db";
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::set<long long> acknowledged;
  for (int round = 0; round < kRounds; ++round) {
    acknowledged.merge(RunAndKill(file, round * 1000000LL, random));
    auto database = Database::Open(file, {kTable});
    ASSERT_TRUE(database.ok()) << database.status();
    std::set<long long> stored;
    std::string check;
    ASSERT_TRUE((*database)
                    ->Read([&](Session& s) {
                      long long id = 0;
                      s.Rows(
                          "SELECT id FROM t WHERE length(bytes) = 600", [&] { stored.insert(id); }, soci::into(id));
                      s.Row("PRAGMA integrity_check", soci::into(check));
                      return absl::OkStatus();
                    })
                    .ok());
    EXPECT_EQ(check, "ok");
    for (const long long id : acknowledged) ASSERT_EQ(stored.count(id), 1u) << "lost " << id << " in round " << round;
  }
  EXPECT_GT(acknowledged.size(), 1000u);  // Else this tested nothing.
}

}  // namespace
}  // namespace twi::storage
