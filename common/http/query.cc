#include "common/http/query.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::http {
namespace {

absl::Status Malformed(absl::string_view what) {
  return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("query: ", what));
}

// RFC 3986: query = *( pchar / "/" / "?" ), less the escapes and the '&' and '=' that separate.
bool IsPlain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::string_view("-._~!$'()*+,;:@/?=").find(c) != absl::string_view::npos;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::StatusOr<std::string> Decode(absl::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!IsPlain(text[i])) return Malformed("a character that has to be escaped");
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return Malformed("an incomplete percent escape");
    const char c = static_cast<char>(high << 4 | low);
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return Malformed("an escaped control character");
    out.push_back(c);
    i += 2;
  }
  return out;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ParseQuery(absl::string_view text) {
  std::map<std::string, std::string> parameters;
  if (text.empty()) return parameters;
  for (absl::string_view part : absl::StrSplit(text, '&')) {
    const std::size_t equals = part.find('=');
    TWI_ASSIGN_OR_RETURN(std::string name, Decode(part.substr(0, equals)));
    std::string value;
    if (equals != absl::string_view::npos) {
      TWI_ASSIGN_OR_RETURN(value, Decode(part.substr(equals + 1)));
    }
    if (name.empty()) return Malformed("a parameter without a name");
    if (parameters.size() == kMaxQueryParameters) return Malformed("too many parameters");
    if (!parameters.emplace(std::move(name), std::move(value)).second) return Malformed("a parameter twice");
  }
  return parameters;
}

}  // namespace twi::http
