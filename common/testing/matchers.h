// The shared vocabulary of tests (style H22): IsOk(), StatusIs(v1::DENY_REASON_X), IsOkAndHolds(m), ASSERT_OK,
// EXPECT_OK, ASSERT_OK_AND_ASSIGN. All take an absl::Status or an absl::StatusOr.
#ifndef TWI_COMMON_TESTING_MATCHERS_H_
#define TWI_COMMON_TESTING_MATCHERS_H_

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace twi::testing {

inline const absl::Status& ToStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& ToStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, negation ? "is refused" : "is OK") {
  const absl::Status status = ToStatus(arg);
  if (!status.ok()) *result_listener << DenyReasonName(DenyReasonOf(status)) << ": " << std::string(status.message());
  return status.ok();
}

// Refused for exactly this reason. A failed Status without a reason counts as INTERNAL, as it does for a peer.
MATCHER_P(StatusIs, reason, "is refused with " + DenyReasonName(reason)) {
  const absl::Status status = ToStatus(arg);
  if (status.ok()) {
    *result_listener << "is OK";
    return false;
  }
  *result_listener << "is " << DenyReasonName(DenyReasonOf(status)) << ": " << std::string(status.message());
  return DenyReasonOf(status) == reason;
}

// ... and the detail, which is for the log and the owner, matches.
MATCHER_P2(StatusIs, reason, detail, "is refused with " + DenyReasonName(reason) + " and a matching detail") {
  const absl::Status status = ToStatus(arg);
  if (status.ok()) {
    *result_listener << "is OK";
    return false;
  }
  *result_listener << "is " << DenyReasonName(DenyReasonOf(status)) << ": " << std::string(status.message());
  return DenyReasonOf(status) == reason &&
         ::testing::ExplainMatchResult(detail, std::string(status.message()), result_listener);
}

MATCHER_P(IsOkAndHolds, matcher, "is OK and holds a matching value") {
  if (!arg.ok()) {
    *result_listener << DenyReasonName(DenyReasonOf(arg.status())) << ": " << std::string(arg.status().message());
    return false;
  }
  return ::testing::ExplainMatchResult(matcher, *arg, result_listener);
}

}  // namespace twi::testing

#define EXPECT_OK(expr) EXPECT_THAT((expr), ::twi::testing::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT((expr), ::twi::testing::IsOk())

#define ASSERT_OK_AND_ASSIGN(lhs, expr) TWI_ASSERT_OK_AND_ASSIGN_(TWI_STATUS_CONCAT(twi_statusor_, __LINE__), lhs, expr)
#define TWI_ASSERT_OK_AND_ASSIGN_(var, lhs, expr)    \
  auto var = (expr);                                 \
  ASSERT_THAT(var.status(), ::twi::testing::IsOk()); \
  lhs = std::move(var).value()

#endif  // TWI_COMMON_TESTING_MATCHERS_H_
