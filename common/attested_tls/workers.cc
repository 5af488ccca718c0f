#include "common/attested_tls/workers.h"

namespace twi::atls {

Workers::Workers(int threads, std::size_t max_queued, AtEnd at_end) : max_queued_(max_queued), at_end_(at_end) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([state = state_] { Work(*state); });
}

Workers::~Workers() {
  std::deque<Queued> dropped;  // outside of the lock: what a job captured may call us
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopping = true;
    dropped.swap(state_->queue);
  }
  state_->wake.notify_all();
  for (std::thread& thread : threads_) at_end_ == AtEnd::kWait ? thread.join() : thread.detach();
}

bool Workers::Run(std::function<void()> job) {
  return Run([] { return false; }, [job = std::move(job)](bool) { job(); });
}

bool Workers::Run(std::function<bool()> is_late, std::function<void(bool late)> job) {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->stopping || state_->queue.size() >= max_queued_) return false;
    state_->queue.push_back({std::move(is_late), std::move(job)});
  }
  state_->wake.notify_one();
  return true;
}

void Workers::Work(State& state) {
  for (;;) {
    std::function<void(bool late)> job;
    bool late = false;
    {
      std::unique_lock<std::mutex> lock(state.mutex);
      state.wake.wait(lock, [&state] { return state.stopping || !state.queue.empty(); });
      if (state.stopping) return;
      late = state.queue.front().is_late();
      job = std::move(state.queue.front().job);
      state.queue.pop_front();
    }
    job(late);
  }
}

}  // namespace twi::atls
