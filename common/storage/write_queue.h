// Group commit: one thread writes what many threads ask for, and one fsync makes all of it durable.
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
#include "common/storage/session.h"

namespace twi::storage {

class WriteQueue {
 public:
  struct Limits {
    std::size_t max_queued = 4096;  // Writes that wait; beyond it OVERLOADED.
    std::size_t max_batch = 256;    // Writes per transaction.
  };
  // `session` is used by the queue's own thread only from here on.
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

  // The last transaction was not stored.
  bool last_failed() const { return last_failed_; }

  // Writes that wait for the next transaction; for tests.
  std::size_t queued();

 private:
  struct Job;
  void Loop();
  std::vector<Job*> NextBatch();
  void RunBatch(const std::vector<Job*>& batch);

  const std::unique_ptr<Session> session_;
  const Limits limits_;
  std::atomic<bool> last_failed_{false};
  std::mutex mutex_;  // Guards the two below.
  std::deque<Job*> queue_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace twi::storage

#endif  // TWI_COMMON_STORAGE_WRITE_QUEUE_H_
