// Group commit: of the threads that want to write, one at a time writes what all of them ask for, and one fsync makes
// all of it durable. A thread that is alone writes by itself, without waking another.
#ifndef TWI_COMMON_STORAGE_WRITE_QUEUE_H_
#define TWI_COMMON_STORAGE_WRITE_QUEUE_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/storage/session.h"

namespace twi::storage {

class WriteQueue {
 public:
  struct Limits {
    std::size_t max_queued = 4096;  // Writes that wait; beyond it OVERLOADED.
    std::size_t max_batch = 256;    // Writes per transaction.
  };
  // `session` is used by one thread at a time, inside Run, from here on.
  WriteQueue(std::unique_ptr<Session> session, Limits limits);
  // Finishes what is queued. Nobody may be calling Run any more.
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  // Queues `write` and waits until the transaction that it ran in is on disk. Writes run in the order in which they
  // were queued.
  //   - `write` fails or throws: its own changes are undone (savepoint), the others of the group go on, and its Status
  //   is returned;
  //   - BEGIN or COMMIT fails, or the transaction was ended under way: STORAGE_FAILED for every write of the group, and
  //   none of them is stored;
  //   - a deferred foreign key is broken at the end of `write`: STORAGE_FAILED for that write alone;
  //   - OVERLOADED when the queue is full, INTERNAL when called from inside a write (it would wait for itself): `write`
  //   was not called.
  absl::Status Run(const std::function<absl::Status(Session&)>& write);

  // Database::ObserveCommits: before the first Run.
  void ObserveCommits(std::function<void(absl::Duration, std::size_t)> on_commit);

  // The last transaction was not stored.
  bool last_failed() const { return last_failed_; }

  // Writes that wait for the next transaction; for tests.
  std::size_t queued();

 private:
  struct Job;
  bool Idle() const { return writer_ == std::thread::id(); }
  void WriteBatch(std::unique_lock<std::mutex>& lock) noexcept;
  void RunBatch(const std::vector<Job*>& batch);
  void Report(const std::vector<Job*>& batch, absl::Duration took);

  const std::unique_ptr<Session> session_;  // of the thread that is `writer_`
  const Limits limits_;
  std::function<void(absl::Duration, std::size_t)> on_commit_;  // constant from the first Run on
  std::atomic<bool> last_failed_{false};
  std::mutex mutex_;  // Guards what follows.
  std::deque<Job*> queue_;
  std::thread::id writer_;  // none: nobody writes
  std::condition_variable idle_;
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_WRITE_QUEUE_H_
