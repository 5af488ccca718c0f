// The text forms of config values. Each function takes the whole text or nothing.
#ifndef TWI_COMMON_CONFIG_SCALARS_H_
#define TWI_COMMON_CONFIG_SCALARS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace twi::config {

bool IsUtf8WithoutNul(absl::string_view text);

// In double quotes for an error message, cut at 80 bytes, control characters as '?'.
std::string Quoted(absl::string_view text);

// A number and one unit: "90s", "5m", "24h", "250ms". Not negative, at most 87600h (ten years).
std::optional<absl::Duration> ParseDurationText(absl::string_view text);

// Decimal digits, '-' in front for signed ones; no '+', no leading zero, no separators.
std::optional<std::int64_t> ParseSigned(absl::string_view text);
std::optional<std::uint64_t> ParseUnsigned(absl::string_view text);
// The same, or "0x" and 1..16 hex digits, as YAML 1.2 has them (10.3.2): handles and masks are written so.
std::optional<std::uint64_t> ParseUnsignedOrHex(absl::string_view text);
std::optional<double> ParseReal(absl::string_view text);  // finite

// Even number of hex digits, either case.
std::optional<std::string> ParseHex(absl::string_view text);

// The candidate nearest to `word` (edit distance at most 2, and less than half of the word), empty when there is none.
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace twi::config

#endif  // TWI_COMMON_CONFIG_SCALARS_H_
