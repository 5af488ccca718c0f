// One log line as JSON text (RFC 8259). No library: a line is written in about a microsecond.
#ifndef TWI_COMMON_LOG_JSON_LINE_H_
#define TWI_COMMON_LOG_JSON_LINE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::log {

// Appends `text` as a JSON string with its quotes. Control characters, quote and backslash are escaped; so are DEL,
// U+2028 and U+2029 (line ends for some readers); every byte that is not part of well-formed UTF-8 (RFC 3629: no
// overlong forms, no surrogates) becomes U+FFFD. So hostile text can neither end a line nor add a field.
void AppendJsonString(absl::string_view text, std::string& out);

// Appends `"name":"value"` with a comma in front.
void AppendJsonField(absl::string_view name, absl::string_view value, std::string& out);

// Appends "2026-11-21T09:55:40.123456Z" for microseconds since 1970, UTC. Years 1970..9999; outside of them the nearest
// end.
void AppendTimestamp(std::int64_t unix_micros, std::string& out);

}  // namespace twi::log

#endif  // TWI_COMMON_LOG_JSON_LINE_H_
