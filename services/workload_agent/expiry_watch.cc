#include "services/workload_agent/expiry_watch.h"

#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::agent {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);
// Taken away so long before its end, so that no reader finds it the moment after.
constexpr absl::Duration kMargin = absl::Seconds(1);

}  // namespace

absl::Status ExpiryWatch::Install(absl::Time not_after, const std::function<absl::Status()>& install) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    TWI_RETURN_IF_ERROR(install());
    not_after_ = not_after;
  }
  waiter_.Wake();
  return absl::OkStatus();
}

void ExpiryWatch::Found(absl::Time not_after) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    not_after_ = not_after;
  }
  waiter_.Wake();
}

void ExpiryWatch::Run() {
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
    }
    waiter_.WaitUntil(WithdrawIfExpired());
  }
}

void ExpiryWatch::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  waiter_.Wake();
}

absl::Time ExpiryWatch::WithdrawIfExpired() {
  namespace f = log::fields;
  const std::lock_guard<std::mutex> lock(mutex_);
  const absl::Time now = clock_.Now();
  if (not_after_ - kMargin > now) return not_after_ - kMargin;
  const std::string end = absl::FormatTime(absl::RFC3339_sec, not_after_, absl::UTCTimeZone());
  if (const absl::Status withdrawn = withdraw_(); !withdrawn.ok()) {
    log::Error("credential_not_withdrawn", {{f::kReason, DenyReasonName(DenyReasonOf(withdrawn))},
                                            {f::kDetail, std::string(withdrawn.message())},
                                            {f::kNotAfter, end}});
    return now + kRetry;
  }
  log::Audit("credential_withdrawn", {{f::kDetail, "it has expired, and was not renewed"}, {f::kNotAfter, end}});
  not_after_ = absl::InfiniteFuture();
  return not_after_;
}

}  // namespace twi::agent
