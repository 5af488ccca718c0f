#include "services/workload_agent/agent_loop.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/trace/trace.h"

namespace twi::agent {
namespace {

constexpr absl::Duration kLongestWait = absl::Seconds(30);

std::string TimeText(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

}  // namespace

void SystemWaiter::WaitUntil(absl::Time until) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!woken_) {
    const absl::Duration left = until - clock_.Now();
    if (left <= absl::ZeroDuration()) break;
    condition_.wait_for(lock, absl::ToChronoNanoseconds(std::min(left, kLongestWait)));
  }
  woken_ = false;
}

void SystemWaiter::Wake() {
  const std::lock_guard<std::mutex> lock(mutex_);
  woken_ = true;
  condition_.notify_all();
}

AgentLoop::AgentLoop(AgentLoopDeps deps) : deps_(std::move(deps)) {
  state_.set_mechanism(deps_.mechanism);
  if (deps_.metrics == nullptr) return;
  deps_.metrics->GaugeOf("twi_credential_expiry_timestamp_seconds").Set(0);
  (void)deps_.metrics->CounterOf("twi_credential_renewal_failures_total", {{"mechanism", deps_.mechanism}});
}

void AgentLoop::Count(const absl::Status& outcome, absl::Duration took, bool held) {
  if (deps_.metrics == nullptr) return;
  const metrics::Labels mechanism = {{"mechanism", deps_.mechanism}};
  const std::string name = outcome.ok() ? "OK" : DenyReasonName(DenyReasonOf(outcome));
  deps_.metrics->CounterOf("twi_credential_acquisitions_total", {{"mechanism", deps_.mechanism}, {"outcome", name}})
      .Increment();
  deps_.metrics->HistogramOf("twi_credential_acquisition_duration_seconds", mechanism)
      .Observe(absl::ToDoubleSeconds(took));
  if (!outcome.ok() && held) deps_.metrics->CounterOf("twi_credential_renewal_failures_total", mechanism).Increment();
}

absl::Status AgentLoop::AcquireOnce() {
  const trace::Scope scope(trace::NewTrace());  // one for each acquisition, through every daemon that has a part in it
  const auto start = std::chrono::steady_clock::now();
  const bool held = GetStatus().acquisitions() > 0;
  absl::StatusOr<AcquiredCredential> acquired = deps_.acquire();
  absl::Status status = acquired.status();
  if (status.ok()) status = deps_.install(*acquired);
  Count(status, absl::FromChrono(std::chrono::steady_clock::now() - start), held);
  if (!status.ok()) {
    Refused(status);
    return status;
  }
  Acquired(acquired->facts);
  if (!held && deps_.on_first) deps_.on_first();
  deps_.run_hook();
  return absl::OkStatus();
}

void AgentLoop::Run() {
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
    }
    AcquireOnce().IgnoreError();  // counted and logged there; NextAttempt follows from it
    deps_.waiter.WaitUntil(NextAttempt());
  }
}

void AgentLoop::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  deps_.waiter.Wake();
}

v1::GetAgentStatusResponse AgentLoop::GetStatus() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

absl::Status AgentLoop::Started() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_.acquisitions() > 0) return absl::OkStatus();
  const std::string last = state_.last_refusal().empty() ? "none yet" : state_.last_refusal();
  return Deny(v1::DENY_REASON_CREDENTIAL_INVALID, absl::StrCat("no credential was acquired; last refusal: ", last));
}

absl::Status AgentLoop::Ready() const {
  TWI_RETURN_IF_ERROR(Started());
  const absl::Time now = deps_.clock.Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, "draining");
  if (facts_.not_after > now) return absl::OkStatus();
  const std::string last = state_.last_refusal().empty() ? "none" : state_.last_refusal();
  return Deny(v1::DENY_REASON_CREDENTIAL_INVALID,
              absl::StrCat("the credential expired at ", TimeText(facts_.not_after), "; last refusal: ", last));
}

double AgentLoop::Unit() {
  std::uint64_t bits = 0;
  for (const char byte : deps_.random.Bytes(8)) bits = bits << 8 | static_cast<std::uint8_t>(byte);
  return static_cast<double>(bits >> 11) / static_cast<double>(std::uint64_t{1} << 53);
}

absl::Time AgentLoop::NextAttempt() {
  const double unit = Unit();
  const absl::Time now = deps_.clock.Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  const absl::Time next = state_.failed_attempts() > 0
                              ? now + RetryDelay(state_.failed_attempts(), deps_.renewal, unit)
                              : NextRenewal(now, facts_.not_before, facts_.not_after, deps_.renewal, unit);
  state_.set_next_renewal_unix(absl::ToUnixSeconds(next));
  log::Info("next_attempt", {{log::fields::kMechanism, deps_.mechanism}, {"at", TimeText(next)}});
  return next;
}

void AgentLoop::Refused(const absl::Status& why) {
  const DenyReason reason = DenyReasonOf(why);
  const absl::Time now = deps_.clock.Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  state_.set_last_refusal(DenyReasonName(reason));
  state_.set_failed_attempts(state_.failed_attempts() + 1);
  const bool held = state_.acquisitions() > 0;
  const std::string keeps = !held                    ? "no credential yet"
                            : facts_.not_after > now ? "the one held stays in use"
                                                     : "the one held has expired";
  log::Warn("credential_not_acquired", {{log::fields::kMechanism, deps_.mechanism},
                                        {log::fields::kReason, DenyReasonName(reason)},
                                        {log::fields::kSentence, DenyReasonSentence(reason)},
                                        {log::fields::kDetail, std::string(why.message())},
                                        {log::fields::kCount, absl::StrCat(state_.failed_attempts())},
                                        {"held", keeps},
                                        {log::fields::kNotAfter, held ? TimeText(facts_.not_after) : std::string()}});
}

void AgentLoop::Acquired(const CredentialFacts& facts) {
  const std::lock_guard<std::mutex> lock(mutex_);
  facts_ = facts;
  if (deps_.metrics != nullptr) {
    deps_.metrics->GaugeOf("twi_credential_expiry_timestamp_seconds")
        .Set(static_cast<double>(absl::ToUnixSeconds(facts.not_after)));
  }
  state_.set_workload_identifier(facts.workload_identifier);
  state_.set_not_after_unix(absl::ToUnixSeconds(facts.not_after));
  state_.clear_last_refusal();
  state_.set_failed_attempts(0);
  state_.set_acquisitions(state_.acquisitions() + 1);
  log::Audit("credential_acquired", {{log::fields::kMechanism, deps_.mechanism},
                                     {log::fields::kWorkloadIdentifier, facts.workload_identifier},
                                     {log::fields::kSerial, facts.serial},
                                     {log::fields::kNotAfter, TimeText(facts.not_after)}});
}

}  // namespace twi::agent
