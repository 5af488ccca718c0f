#ifndef TWI_COMMON_CEL_TEXTPROTO_H_
#define TWI_COMMON_CEL_TEXTPROTO_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::cel {

// One field of a message in protobuf's text format, read without its descriptor. For tests: it reads the CEL
// conformance files, not hostile input.
struct TextField {
  std::string name;  // of an Any: the type URL
  bool is_message = false;
  std::string scalar;  // strings are unescaped and joined; numbers and names are as written
  std::vector<TextField> fields;

  const TextField* Find(absl::string_view wanted) const;  // the first of that name, or null
  std::vector<const TextField*> All(absl::string_view wanted) const;
  std::string Text(absl::string_view wanted) const;  // scalar of the first, or empty
  bool Mentions(absl::string_view wanted) const;     // a field of that name at any depth
};

// The message as one unnamed field. Errors carry the byte offset.
absl::StatusOr<TextField> ParseTextproto(absl::string_view text);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_TEXTPROTO_H_
