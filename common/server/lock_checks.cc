#include "common/server/lock_checks.h"

#include "absl/synchronization/mutex.h"

namespace twi::server {

void DisableLockOrderChecks() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

}  // namespace twi::server
