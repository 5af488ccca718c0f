#include "common/cel/utf8.h"

namespace twi::cel {

bool TakeCodePoint(absl::string_view* text, uint32_t* code_point) {
  if (text->empty()) return false;
  const uint8_t lead = static_cast<uint8_t>((*text)[0]);
  size_t length = 1;
  uint32_t cp = lead, smallest = 0;
  if (lead >= 0x80) {
    if (lead >= 0xF0 && lead <= 0xF4) {
      length = 4, cp = lead & 0x07, smallest = 0x10000;
    } else if (lead >= 0xE0 && lead < 0xF0) {
      length = 3, cp = lead & 0x0F, smallest = 0x800;
    } else if (lead >= 0xC2 && lead < 0xE0) {
      length = 2, cp = lead & 0x1F, smallest = 0x80;
    } else {
      return false;
    }
    if (text->size() < length) return false;
    for (size_t i = 1; i < length; ++i) {
      const uint8_t next = static_cast<uint8_t>((*text)[i]);
      if ((next & 0xC0) != 0x80) return false;
      cp = (cp << 6) | (next & 0x3F);
    }
    if (cp < smallest || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) return false;
  }
  *code_point = cp;
  text->remove_prefix(length);
  return true;
}

bool IsUtf8(absl::string_view text) {
  uint32_t cp;
  while (!text.empty()) {
    if (!TakeCodePoint(&text, &cp)) return false;
  }
  return true;
}

int64_t CountCodePoints(absl::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  return count;
}

size_t OffsetOfCodePoint(absl::string_view text, int64_t index) {
  if (index < 0) return absl::string_view::npos;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<uint8_t>(text[i]) & 0xC0) != 0x80 && index-- == 0) return i;
  }
  return index == 0 ? text.size() : absl::string_view::npos;
}

bool AppendCodePoint(uint32_t cp, std::string* out) {
  if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) return false;
  if (cp < 0x80) {
    out->push_back(static_cast<char>(cp));
  } else if (cp < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (cp >> 6)));
  } else if (cp < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (cp >> 12)));
    out->push_back(static_cast<char>(0x80 | ((cp >> 6) & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (cp >> 18)));
    out->push_back(static_cast<char>(0x80 | ((cp >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((cp >> 6) & 0x3F)));
  }
  if (cp >= 0x80) out->push_back(static_cast<char>(0x80 | (cp & 0x3F)));
  return true;
}

}  // namespace twi::cel
