#ifndef TWI_COMMON_CEL_EVAL_STATE_H_
#define TWI_COMMON_CEL_EVAL_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace twi::cel {

// What an evaluation has left to spend, and the error it is failing with. Cost units: see README.md.
struct EvalState {
  int64_t budget = 0;
  absl::Status error;
  bool fatal = false;  // out of budget: not absorbed by && and ||

  // Takes `units` from the budget; false, with the error set, when there is not enough.
  bool Charge(int64_t units) {
    budget -= units;
    if (budget >= 0) return true;
    fatal = true;
    error = absl::ResourceExhaustedError("evaluation cost limit exceeded");
    return false;
  }
  // For work that took its units from `budget` itself: false, with the error set, when it took too many.
  bool Charged() { return Charge(0); }
  // Bytes and elements touched: one unit for each full 16.
  bool ChargeSize(size_t size) { return Charge(static_cast<int64_t>(size / 16)); }

  // Always false, so that a function can "return state.Fail(...)".
  bool Fail(absl::string_view message) {
    error = absl::InvalidArgumentError(message);
    return false;
  }
};

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_EVAL_STATE_H_
