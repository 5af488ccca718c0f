// A bounded pool of threads for what blocks (the Verifier, a TEE or TPM, a name look-up), so that the loops that carry
// connections never do. Queue and threads are fixed: a slow Verifier costs those who need it, and nobody else.
#ifndef TWI_COMMON_ATTESTED_TLS_WORKERS_H_
#define TWI_COMMON_ATTESTED_TLS_WORKERS_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/time/clock.h"

namespace twi::atls {

class Workers {
 public:
  // What the destructor does with the jobs that run; those that are queued are dropped. kAbandon is for jobs that
  // nobody can interrupt and that hold nothing but what they captured by value: getaddrinfo must not hold up a SIGTERM.
  enum class AtEnd { kWait, kAbandon };

  Workers(int threads, std::size_t max_queued, AtEnd at_end = AtEnd::kWait);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False, and nothing happens, when the queue is full. Thread-safe.
  [[nodiscard]] bool Run(std::function<void()> job);
  // `is_late` is asked when a thread comes to the job, and its answer handed to it. Not after the destructor has begun:
  // what it refers to (a clock) need not outlive the workers, even where they are abandoned.
  [[nodiscard]] bool Run(std::function<bool()> is_late, std::function<void(bool late)> job);

 private:
  struct Queued {
    std::function<bool()> is_late;
    std::function<void(bool late)> job;
  };
  // The threads' own: an abandoned one outlives this.
  struct State {
    std::mutex mutex;  // guards all but `wake`
    std::condition_variable wake;
    std::deque<Queued> queue;
    bool stopping = false;
  };
  static void Work(State& state);

  const std::size_t max_queued_;
  const AtEnd at_end_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::vector<std::thread> threads_;
};

// One result on its way from a worker to a connection. Either may go away first.
template <typename T>
class Pending {
 public:
  void Put(absl::StatusOr<T> result) {
    const std::lock_guard<std::mutex> lock(mutex_);
    result_ = std::move(result);
  }
  bool ready() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return result_.has_value();
  }
  // Once, when ready().
  absl::StatusOr<T> Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return *std::move(result_);
  }

 private:
  mutable std::mutex mutex_;
  std::optional<absl::StatusOr<T>> result_;
};

// Until when a job may begin, and what comes of one that no thread came to in time.
struct Deadline {
  const Clock& clock;  // must outlive the workers
  absl::Time time;
  absl::Status late;
};

// Runs `job` on a worker; then calls `wake` there. Null when the queue is full. Nothing is done for a job that is late,
// or whose result nobody holds any more: what thousands left behind must not keep those waiting who are still there.
template <typename T>
std::shared_ptr<Pending<T>> RunPending(Workers& workers, Deadline deadline, std::function<absl::StatusOr<T>()> job,
                                       std::function<void()> wake) {
  auto pending = std::make_shared<Pending<T>>();
  const bool queued = workers.Run([&clock = deadline.clock, time = deadline.time] { return clock.Now() >= time; },
                                  [weak = std::weak_ptr<Pending<T>>(pending), if_late = std::move(deadline.late),
                                   job = std::move(job), wake = std::move(wake)](bool late) {
                                    const std::shared_ptr<Pending<T>> awaited = weak.lock();
                                    if (awaited == nullptr) return;
                                    awaited->Put(late ? absl::StatusOr<T>(if_late) : job());
                                    wake();
                                  });
  return queued ? pending : nullptr;
}

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_WORKERS_H_
