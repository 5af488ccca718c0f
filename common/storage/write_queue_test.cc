#include "common/storage/write_queue.h"

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "common/status/deny.h"
#include "common/storage/temp_dir.h"
#include "gtest/gtest.h"

namespace twi::storage {
namespace {

class WriteQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    auto session = std::make_unique<Session>(dir_ / "x.db");
    session->Script(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; CREATE TABLE t(id INTEGER PRIMARY KEY);"
        "CREATE TABLE child(t INTEGER REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED);");
    queue_ = std::make_unique<WriteQueue>(std::move(session), WriteQueue::Limits{5, 5});
  }

  static absl::Status Insert(Session& session, long long id) {
    session.Change("INSERT INTO t VALUES (?)", soci::use(id));
    return absl::OkStatus();
  }

  // Runs `writes` in one group and in order: the queue is held in a first write (no. 1000) until all of them
  // wait.
  std::vector<absl::Status> RunAsGroup(const std::vector<std::function<absl::Status(Session&)>>& writes) {
    std::promise<void> held, release;
    auto first = std::async(std::launch::async, [&] {
      return queue_->Run([&](Session& s) {
        held.set_value();
        release.get_future().wait();
        return Insert(s, 1000);
      });
    });
    held.get_future().wait();
    std::vector<std::future<absl::Status>> results;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      results.push_back(std::async(std::launch::async, [this, &writes, i] { return queue_->Run(writes[i]); }));
      while (!Queued(i + 1)) std::this_thread::yield();
    }
    release.set_value();
    EXPECT_TRUE(first.get().ok());
    std::vector<absl::Status> statuses;
    for (auto& result : results) statuses.push_back(result.get());
    return statuses;
  }
  bool Queued(std::size_t count) { return queue_->queued() == count; }

  std::vector<long long> Ids() {
    std::vector<long long> ids;
    EXPECT_TRUE(queue_
                    ->Run([&](Session& s) {
                      long long id = 0;
                      s.Rows(
                          "SELECT id FROM t WHERE id < 1000 ORDER BY id", [&] { ids.push_back(id); }, soci::into(id));
                      return absl::OkStatus();
                    })
                    .ok());
    return ids;
  }

  TempDir dir_;
  std::unique_ptr<WriteQueue> queue_;
};

std::function<absl::Status(Session&)> Inserts(long long id) {
  return [id](Session& s) {
    s.Change("INSERT INTO t VALUES (?)", soci::use(id));
    return absl::OkStatus();
  };
}

TEST_F(WriteQueueTest, GroupIsStored) {
  for (const absl::Status& status : RunAsGroup({Inserts(1), Inserts(2), Inserts(3)}))
    EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Ids(), (std::vector<long long>{1, 2, 3}));
}

TEST_F(WriteQueueTest, LaterWriteOfAGroupSeesTheEarlier) {
  long long seen = 0;
  const auto statuses = RunAsGroup({Inserts(1), [&](Session& s) {
                                      s.Row("SELECT count(*) FROM t WHERE id = 1", soci::into(seen));
                                      return absl::OkStatus();
                                    }});
  EXPECT_TRUE(statuses[1].ok());
  EXPECT_EQ(seen, 1);
}

TEST_F(WriteQueueTest, DestructorFinishesWhatIsQueued) {
  std::promise<void> held, release;
  auto first = std::async(std::launch::async, [&] {
    return queue_->Run([&](Session& s) {
      held.set_value();
      release.get_future().wait();
      return Insert(s, 1);
    });
  });
  held.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return queue_->Run(Inserts(2)); });
  while (!Queued(1)) std::this_thread::yield();
  release.set_value();
  queue_.reset();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  Session after(dir_ / "x.db");
  long long count = 0;
  ASSERT_TRUE(after.Row("SELECT count(*) FROM t", soci::into(count)));
  EXPECT_EQ(count, 2);
}

TEST_F(WriteQueueTest, RefusedWriteUndoesOnlyItself) {
  const auto statuses = RunAsGroup({Inserts(1),
                                    [](Session& s) {
                                      s.Change("INSERT INTO t VALUES (2)");
                                      return Deny(v1::DENY_REASON_CHALLENGE_REPLAYED, "seen");
                                    },
                                    Inserts(3)});
  EXPECT_TRUE(statuses[0].ok());
  EXPECT_EQ(DenyReasonOf(statuses[1]), v1::DENY_REASON_CHALLENGE_REPLAYED);
  EXPECT_TRUE(statuses[2].ok());
  EXPECT_EQ(Ids(), (std::vector<long long>{1, 3}));
}

TEST_F(WriteQueueTest, ThrowingWriteUndoesOnlyItself) {
  const auto statuses = RunAsGroup({Inserts(1),
                                    [](Session& s) {
                                      s.Change("INSERT INTO t VALUES (2)");
                                      s.Change("INSERT INTO t VALUES (1)");
                                      return absl::OkStatus();
                                    },
                                    [](Session& s) -> absl::Status {
                                      s.Change("INSERT INTO t VALUES (3)");
                                      throw 3;
                                    },
                                    Inserts(4)});
  EXPECT_TRUE(statuses[0].ok());
  EXPECT_EQ(DenyReasonOf(statuses[1]), v1::DENY_REASON_STORAGE_FAILED);
  EXPECT_EQ(DenyReasonOf(statuses[2]), v1::DENY_REASON_INTERNAL);
  EXPECT_TRUE(statuses[3].ok());
  EXPECT_EQ(Ids(), (std::vector<long long>{1, 4}));
}

TEST_F(WriteQueueTest, RefusedWriteAloneIsUndone) {
  const absl::Status status = queue_->Run([](Session& s) {
    s.Change("INSERT INTO t VALUES (2)");
    return Deny(v1::DENY_REASON_GRANT_REPLAYED, "seen");
  });
  EXPECT_EQ(DenyReasonOf(status), v1::DENY_REASON_GRANT_REPLAYED);
  EXPECT_EQ(Ids(), (std::vector<long long>{}));
}

TEST_F(WriteQueueTest, DeferredViolationFailsItsOwnWriteOnly) {
  const auto statuses = RunAsGroup({Inserts(1),
                                    [](Session& s) {
                                      s.Change("INSERT INTO child VALUES (77)");
                                      return absl::OkStatus();
                                    },
                                    Inserts(2)});
  EXPECT_TRUE(statuses[0].ok());
  EXPECT_EQ(DenyReasonOf(statuses[1]), v1::DENY_REASON_STORAGE_FAILED);
  EXPECT_TRUE(statuses[2].ok());
  EXPECT_EQ(Ids(), (std::vector<long long>{1, 2}));
}

TEST_F(WriteQueueTest, LostTransactionFailsTheWholeGroupAndTheNextWriteWorks) {
  const auto statuses = RunAsGroup({Inserts(1),
                                    [](Session& s) {
                                      s.Script("ROLLBACK");  // As SQLite does by itself when the disk is full.
                                      return absl::OkStatus();
                                    },
                                    Inserts(3)});
  for (const absl::Status& status : statuses) EXPECT_EQ(DenyReasonOf(status), v1::DENY_REASON_STORAGE_FAILED) << status;
  EXPECT_EQ(Ids(), (std::vector<long long>{}));
  EXPECT_TRUE(queue_->Run(Inserts(4)).ok());
  EXPECT_EQ(Ids(), (std::vector<long long>{4}));
}

TEST_F(WriteQueueTest, FailedBeginCallsNoWrite) {
  Session other(dir_ / "x.db");
  std::atomic<int> called{0};
  const auto write = [&](Session&) {
    ++called;
    return absl::OkStatus();
  };
  other.Script("BEGIN IMMEDIATE");
  EXPECT_EQ(DenyReasonOf(queue_->Run(write)), v1::DENY_REASON_STORAGE_FAILED);
  other.Script("ROLLBACK");
  EXPECT_EQ(called, 0);
  EXPECT_TRUE(queue_->Run(write).ok());
}

TEST_F(WriteQueueTest, RefusesBeyondTheLimit) {
  std::promise<void> held, release;
  auto first = std::async(std::launch::async, [&] {
    return queue_->Run([&](Session& s) {
      held.set_value();
      release.get_future().wait();
      return Insert(s, 1);
    });
  });
  held.get_future().wait();
  std::vector<std::future<absl::Status>> waiting;
  for (long long id = 2; id < 7; ++id)
    waiting.push_back(std::async(std::launch::async, [this, id] { return queue_->Run(Inserts(id)); }));
  while (!Queued(5)) std::this_thread::yield();
  EXPECT_EQ(DenyReasonOf(queue_->Run(Inserts(8))), v1::DENY_REASON_OVERLOADED);
  release.set_value();
  EXPECT_TRUE(first.get().ok());
  for (auto& result : waiting) EXPECT_TRUE(result.get().ok());
  EXPECT_EQ(Ids(), (std::vector<long long>{1, 2, 3, 4, 5, 6}));
}

TEST_F(WriteQueueTest, RefusesWriteInsideAWrite) {
  absl::Status inner;
  EXPECT_TRUE(queue_
                  ->Run([&](Session& s) {
                    inner = queue_->Run(Inserts(1));
                    return Insert(s, 2);
                  })
                  .ok());
  EXPECT_EQ(DenyReasonOf(inner), v1::DENY_REASON_INTERNAL);
  EXPECT_EQ(Ids(), (std::vector<long long>{2}));
}

TEST_F(WriteQueueTest, AWriteThatIsAloneRunsOnTheCallersThread) {
  std::thread::id ran_on;
  EXPECT_TRUE(queue_
                  ->Run([&](Session& s) {
                    ran_on = std::this_thread::get_id();
                    return Insert(s, 1);
                  })
                  .ok());
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(WriteQueueTest, MoreThanABatchHoldsAreWrittenInTurn) {
  queue_ = std::make_unique<WriteQueue>(std::make_unique<Session>(dir_ / "x.db"), WriteQueue::Limits{5, 2});
  for (const absl::Status& status : RunAsGroup({Inserts(1), Inserts(2), Inserts(3), Inserts(4), Inserts(5)}))
    EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Ids(), (std::vector<long long>{1, 2, 3, 4, 5}));
}

TEST_F(WriteQueueTest, ManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> stored{0}, refused{0};
  for (long long t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (long long i = 0; i < 50; ++i) {
        const bool refuse = i % 5 == 4;
        const absl::Status status = queue_->Run([&](Session& s) {
          EXPECT_TRUE(Insert(s, t * 50 + i).ok());
          return refuse ? Deny(v1::DENY_REASON_GRANT_REPLAYED, "") : absl::OkStatus();
        });
        ++(status.ok() ? stored : refused);
        EXPECT_EQ(status.ok(), !refuse) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, 160);
  EXPECT_EQ(refused, 40);
  EXPECT_EQ(Ids().size(), 160u);
}

}  // namespace
}  // namespace twi::storage
