// A clock that stands still until it is moved.
#ifndef TWI_COMMON_TESTING_FAKE_CLOCK_H_
#define TWI_COMMON_TESTING_FAKE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "common/time/clock.h"

namespace twi::testing {

class FakeClock final : public Clock {
 public:
  // 2026-11-21T12:00:00Z unless told otherwise. Nanosecond resolution, thread-safe.
  FakeClock() : FakeClock(absl::FromUnixSeconds(1795262400)) {}
  explicit FakeClock(absl::Time now) { Set(now); }
  absl::Time Now() const override { return absl::FromUnixNanos(nanos_); }
  void Set(absl::Time now) { nanos_ = absl::ToUnixNanos(now); }
  void Advance(absl::Duration by) { nanos_ += absl::ToInt64Nanoseconds(by); }

 private:
  std::atomic<std::int64_t> nanos_{0};
};

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_FAKE_CLOCK_H_
