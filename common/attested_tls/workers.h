// A bounded pool of threads for what blocks (the Verifier, a TEE or TPM), so that the loops that carry connections
// never do. Queue and threads are fixed: a slow Verifier costs those who need it, and nobody else.
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

#include "absl/status/statusor.h"

namespace twi::atls {

class Workers {
 public:
  Workers(int threads, std::size_t max_queued);
  // Drops what is queued and waits for what runs.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False, and nothing happens, when the queue is full. Thread-safe.
  [[nodiscard]] bool Run(std::function<void()> job);

 private:
  void Work();

  const std::size_t max_queued_;
  std::mutex mutex_;  // guards queue_, stopping_
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
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

// Runs `job` on a worker; then calls `wake` there. Null when the queue is full.
template <typename T>
std::shared_ptr<Pending<T>> RunPending(Workers& workers, std::function<absl::StatusOr<T>()> job,
                                       std::function<void()> wake) {
  auto pending = std::make_shared<Pending<T>>();
  const bool queued = workers.Run([pending, job = std::move(job), wake = std::move(wake)] {
    pending->Put(job());
    wake();
  });
  return queued ? pending : nullptr;
}

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_WORKERS_H_
