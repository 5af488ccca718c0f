#include "common/http/http_head.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::http {
namespace {

using Headers = std::map<std::string, std::string>;
using ParsedHeader = boost::beast::http::request_header<>;

absl::Status Malformed(absl::string_view why) { return Deny(v1::DENY_REASON_REQUEST_MALFORMED, why); }

// Repeated fields are joined (RFC 9110 section 5.2), but those that must stand once.
absl::StatusOr<Headers> HeadersOf(const ParsedHeader& header) {
  Headers headers;
  for (const auto& field : header) {
    const std::string name =
        absl::AsciiStrToLower(absl::string_view(field.name_string().data(), field.name_string().size()));
    const absl::string_view value(field.value().data(), field.value().size());
    const auto [at, fresh] = headers.emplace(name, std::string(value));
    if (fresh) continue;
    for (const char* once :
         {"host", "content-type", "content-length", "transfer-encoding", "content-encoding", "expect"}) {
      if (name == once) return Malformed(absl::StrCat("header ", name, " twice"));
    }
    absl::StrAppend(&at->second, ", ", value);
  }
  if (headers.count("host") == 0) return Malformed("no host header");
  return headers;
}

// Absent, or this very value: an empty one is another.
bool IsOrAbsent(const Headers& headers, const char* name, absl::string_view only) {
  const auto found = headers.find(name);
  return found == headers.end() || absl::AsciiStrToLower(found->second) == only;
}

absl::Status CheckFraming(unsigned version, const Headers& headers) {
  if (version != 11) return Malformed("not HTTP/1.1");
  if (!IsOrAbsent(headers, "transfer-encoding", "chunked")) return Malformed("a transfer coding other than chunked");
  if (!IsOrAbsent(headers, "content-encoding", "identity"))
    return Deny(v1::DENY_REASON_MEDIA_TYPE_UNSUPPORTED, "an encoded body");
  if (!IsOrAbsent(headers, "expect", "100-continue")) return Malformed("an unknown expectation");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Head> ReadHead(const ParsedHeader& header) {
  Head head;
  head.method = absl::string_view(header.method_string().data(), header.method_string().size());
  head.target = absl::string_view(header.target().data(), header.target().size());
  TWI_ASSIGN_OR_RETURN(head.headers, HeadersOf(header));
  TWI_RETURN_IF_ERROR(CheckFraming(header.version(), head.headers));
  return head;
}

}  // namespace twi::http
