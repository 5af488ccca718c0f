#ifndef TWI_COMMON_CEL_UTF8_H_
#define TWI_COMMON_CEL_UTF8_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace twi::cel {

// Removes one code point from the front of *text. False, and *text unchanged, when it is empty or not UTF-8 (RFC 3629:
// no overlong forms, no surrogates, nothing above U+10FFFF).
bool TakeCodePoint(absl::string_view* text, uint32_t* code_point);

bool IsUtf8(absl::string_view text);

// Number of code points of a valid text: bytes that do not continue one.
int64_t CountCodePoints(absl::string_view text);

// Byte offset of code point number `index` of a valid text; text.size() when index is the count, npos beyond.
size_t OffsetOfCodePoint(absl::string_view text, int64_t index);

// False when cp is a surrogate or above U+10FFFF.
bool AppendCodePoint(uint32_t code_point, std::string* out);

}  // namespace twi::cel

#endif  // TWI_COMMON_CEL_UTF8_H_
