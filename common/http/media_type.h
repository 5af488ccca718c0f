// Media types (RFC 9110 section 8.3.1) and the Accept header (section 12.5.1) as a client sends them.
#ifndef TWI_COMMON_HTTP_MEDIA_TYPE_H_
#define TWI_COMMON_HTTP_MEDIA_TYPE_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::http {

struct MediaType {
  std::string name;                               // "application/json", lower case
  std::map<std::string, std::string> parameters;  // names in lower case, values as they are, without quotes
  bool operator==(const MediaType& other) const { return name == other.name && parameters == other.parameters; }
};

// Exactly one media type of at most 255 bytes: tokens, parameters with token or quoted values, each once, at most 8.
// REQUEST_MALFORMED.
absl::StatusOr<MediaType> ParseMediaType(absl::string_view text);

// Whether an Accept header's value allows an answer of `media_type` (a name without parameters): absent or empty allows
// all; the most specific range that fits decides, and q=0 excludes. At most 16 ranges. REQUEST_MALFORMED.
absl::StatusOr<bool> Accepts(absl::string_view accept, absl::string_view media_type);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_MEDIA_TYPE_H_
