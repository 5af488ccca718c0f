#ifndef TWI_COMMON_CEL_TIME_TEXT_H_
#define TWI_COMMON_CEL_TIME_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace twi::cel {

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z (langdef "Timestamp").
inline constexpr int64_t kMinTimestampSeconds = -62135596800;
inline constexpr int64_t kMaxTimestampSeconds = 253402300799;

struct TimestampParts {
  int64_t seconds;  // since the Unix epoch
  int32_t nanos;    // 0 to 999999999
};

// RFC 3339 with capital T and Z, at most 9 digits of fraction, no leap second; refused when out of CEL's range.
absl::StatusOr<TimestampParts> ParseTimestamp(absl::string_view text);
std::string FormatTimestamp(int64_t seconds, int32_t nanos);

// "1h30m", "-1.5s", "2ms", "0": numbers with the units h m s ms us ns; nanoseconds, refused beyond an int64.
absl::StatusOr<int64_t> ParseDuration(absl::string_view text);
std::string FormatDuration(int64_t nanoseconds);  // seconds: "6347s", "-0.5s"

// "UTC", "Z", "+02:00", "-09:30", "02:00". An IANA name ("Europe/Paris") only with allow_names, because it reads the
// system's zone files: Compile does that for literals, Evaluate never.
absl::StatusOr<absl::TimeZone> ParseZone(absl::string_view text, bool allow_names);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_TIME_TEXT_H_
