// Time is passed in (style H19): only main.cc makes a SystemClock.
#ifndef TWI_COMMON_TIME_CLOCK_H_
#define TWI_COMMON_TIME_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace twi {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace twi

#endif  // TWI_COMMON_TIME_CLOCK_H_
