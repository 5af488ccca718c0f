#include "services/workload_agent/drain_limit.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"

namespace twi::agent {

DrainLimit::DrainLimit(absl::Duration limit, std::function<void()> at_limit)
    : limit_(limit), at_limit_(std::move(at_limit)) {}

DrainLimit::~DrainLimit() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  done_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DrainLimit::Begin() {
  if (thread_.joinable()) return;
  thread_ = std::thread([this] {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!done_.wait_for(lock, absl::ToChronoNanoseconds(limit_), [this] { return ended_; })) at_limit_();
  });
}

void EndUndrained(absl::Duration limit) {
  log::Error("not_drained", {{log::fields::kDetail, absl::StrCat("what runs has not ended within ",
                                                                 absl::FormatDuration(limit), ": it is cut off")}});
  // Not exit(3): it would wait for, or tear down what the threads that hang still use.
  std::_Exit(EXIT_FAILURE);
}

}  // namespace twi::agent
