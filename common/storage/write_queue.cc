#include "common/storage/write_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::storage {
namespace {

absl::Status Statement(Session& session, absl::string_view sql) {
  return Guarded(session, [&](Session& s) {
    s.Change(sql);
    return absl::OkStatus();
  });
}

absl::Status RunWrite(Session& session, const std::function<absl::Status(Session&)>& write) {
  TWI_RETURN_IF_ERROR(Guarded(session, write));
  if (session.HasDeferredViolation())
    return Deny(v1::DENY_REASON_STORAGE_FAILED, "a foreign key has no row to refer to");
  return absl::OkStatus();
}

struct Ran {
  absl::Status result;       // What the write said.
  absl::Status transaction;  // Not OK: the whole group is lost.
};

// A write that is alone needs no savepoint: the transaction is its savepoint.
Ran RunAlone(Session& session, const std::function<absl::Status(Session&)>& write) {
  return {RunWrite(session, write), absl::OkStatus()};
}

Ran RunInSavepoint(Session& session, const std::function<absl::Status(Session&)>& write) {
  absl::Status begun = Statement(session, "SAVEPOINT one_write");
  if (!begun.ok()) return {begun, begun};
  Ran ran{RunWrite(session, write), absl::OkStatus()};
  if (!session.InTransaction()) return ran;  // The caller sees it too.
  if (!ran.result.ok()) ran.transaction = Statement(session, "ROLLBACK TO one_write");
  if (ran.transaction.ok()) ran.transaction = Statement(session, "RELEASE one_write");
  return ran;
}

}  // namespace

// Lives on the stack of the thread that waits for it.
struct WriteQueue::Job {
  explicit Job(const std::function<absl::Status(Session&)>& w) : write(w) {}

  absl::Status Wait() {
    std::unique_lock<std::mutex> lock(mutex);
    finished.wait(lock, [this] { return done; });
    return result;
  }
  // Notifies under the lock: the waiter destroys this object as soon as it has the lock and sees `done`.
  void Finish() {
    std::lock_guard<std::mutex> lock(mutex);
    done = true;
    finished.notify_one();
  }

  const std::function<absl::Status(Session&)>& write;
  absl::Status result;
  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
};

WriteQueue::WriteQueue(std::unique_ptr<Session> session, Limits limits)
    : session_(std::move(session)), limits_(limits), thread_([this] { Loop(); }) {}

WriteQueue::~WriteQueue() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

absl::Status WriteQueue::Run(const std::function<absl::Status(Session&)>& write) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    return Deny(v1::DENY_REASON_INTERNAL, "a write was started inside a write");
  }
  Job job(write);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.size() >= limits_.max_queued) {
      return Deny(v1::DENY_REASON_OVERLOADED, absl::StrCat(limits_.max_queued, " writes are waiting for the disk"));
    }
    queue_.push_back(&job);
  }
  wake_.notify_one();
  return job.Wait();
}

std::size_t WriteQueue::queued() {
  std::lock_guard<std::mutex> lock(mutex_);
  return queue_.size();
}

void WriteQueue::Loop() {
  for (std::vector<Job*> batch = NextBatch(); !batch.empty(); batch = NextBatch()) {
    RunBatch(batch);
    for (Job* job : batch) job->Finish();
  }
}

// Everything that is queued, up to the limit; empty when the queue is stopping and drained.
std::vector<WriteQueue::Job*> WriteQueue::NextBatch() {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), limits_.max_batch));
  std::vector<Job*> batch(queue_.begin(), end);
  queue_.erase(queue_.begin(), end);
  return batch;
}

void WriteQueue::RunBatch(const std::vector<Job*>& batch) {
  Session& session = *session_;
  absl::Status transaction = Statement(session, "BEGIN IMMEDIATE");
  bool something_to_commit = false;
  for (auto job = batch.begin(); transaction.ok() && job != batch.end(); ++job) {
    Ran ran = batch.size() == 1 ? RunAlone(session, (*job)->write) : RunInSavepoint(session, (*job)->write);
    // SQLite ends the transaction by itself after some errors (disk full, I/O error, out of memory); the writes before
    // are lost with it.
    if (!session.InTransaction()) {
      ran.transaction = Deny(v1::DENY_REASON_STORAGE_FAILED,
                             absl::StrCat("the transaction was ended under way: ", std::string(ran.result.message())));
    }
    something_to_commit |= ran.result.ok();
    (*job)->result = std::move(ran.result);
    transaction = std::move(ran.transaction);
  }
  if (transaction.ok() && something_to_commit) transaction = Statement(session, "COMMIT");
  if (session.InTransaction()) {
    // If this fails too, the next BEGIN fails and nothing is acknowledged until it works again.
    const absl::Status undone = Statement(session, "ROLLBACK");
    if (transaction.ok()) transaction = undone;
  }
  last_failed_ = !transaction.ok();
  if (transaction.ok()) return;
  // Also a write that was refused gets this: it may have been refused for what a lost write of the same group had
  // stored.
  for (Job* job : batch) job->result = transaction;
}

}  // namespace twi::storage
