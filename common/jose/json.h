// JSON from a peer (RFC 8259), strict.
#ifndef TWI_COMMON_JOSE_JSON_H_
#define TWI_COMMON_JOSE_JSON_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace twi::jose {

// Parses one JSON value and nothing behind it: valid UTF-8 without byte order mark, no duplicate member names (compared
// after unescaping), at most `max_size` bytes and `max_depth` nested objects and arrays (a scalar has depth 0). Numbers
// that do not fit 64 bits become doubles; those that do not fit a double are refused. ENCODING_MALFORMED.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, std::size_t max_size, int max_depth = 32);

// Sets `out` to the string member `name` of `object`, leaves it alone when absent; false when it is there and not a
// string.
bool GetOptionalString(const nlohmann::json& object, const char* name, std::string* out);

}  // namespace twi::jose

#endif  // TWI_COMMON_JOSE_JSON_H_
