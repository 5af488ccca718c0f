#include "common/storage/write_queue.h"

#include <algorithm>
#include <chrono>
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

// Lives on the stack of the thread that waits for it; guarded by the queue's mutex.
struct WriteQueue::Job {
  const std::function<absl::Status(Session&)>& write;
  absl::Status result;
  bool done = false;
  std::condition_variable wake;
};

WriteQueue::WriteQueue(std::unique_ptr<Session> session, Limits limits)
    : session_(std::move(session)), limits_(limits) {}

WriteQueue::~WriteQueue() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return Idle() && queue_.empty(); });
}

absl::Status WriteQueue::Run(const std::function<absl::Status(Session&)>& write) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (writer_ == std::this_thread::get_id()) {
    return Deny(v1::DENY_REASON_INTERNAL, "a write was started inside a write");
  }
  if (queue_.size() >= limits_.max_queued) {
    return Deny(v1::DENY_REASON_OVERLOADED, absl::StrCat(limits_.max_queued, " writes are waiting for the disk"));
  }
  Job job{write};
  queue_.push_back(&job);
  job.wake.wait(lock, [&] { return job.done || (Idle() && queue_.front() == &job); });
  if (!job.done) WriteBatch(lock);
  return job.result;
}

std::size_t WriteQueue::queued() {
  std::lock_guard<std::mutex> lock(mutex_);
  return queue_.size();
}

void WriteQueue::ObserveCommits(std::function<void(absl::Duration, std::size_t)> on_commit) {
  on_commit_ = std::move(on_commit);
}

void WriteQueue::Report(const std::vector<Job*>& batch, absl::Duration took) {
  if (!on_commit_) return;
  const auto stored =
      last_failed_ ? 0 : std::count_if(batch.begin(), batch.end(), [](const Job* job) { return job->result.ok(); });
  if (last_failed_ || stored > 0) on_commit_(took, static_cast<std::size_t>(stored));
}

// Everything that is queued, up to the limit, of which the first is the caller's own. Nothing may leave it half done,
// so it does not throw. Whoever waits is woken under the lock: a job is gone as soon as its thread has the lock and
// sees `done`.
void WriteQueue::WriteBatch(std::unique_lock<std::mutex>& lock) noexcept {
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), limits_.max_batch));
  const std::vector<Job*> batch(queue_.begin(), end);
  queue_.erase(queue_.begin(), end);
  writer_ = std::this_thread::get_id();
  lock.unlock();
  const auto start = std::chrono::steady_clock::now();
  RunBatch(batch);
  Report(batch, absl::FromChrono(std::chrono::steady_clock::now() - start));
  lock.lock();
  writer_ = std::thread::id();
  for (Job* job : batch) {
    job->done = true;
    job->wake.notify_one();
  }
  if (queue_.empty()) {
    idle_.notify_one();
  } else {
    queue_.front()->wake.notify_one();
  }
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
