// What a client sends before its body, through the parser of a connection: what is served has one meaning. The same
// bytes as lines of a response's head.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "boost/asio/buffer.hpp"
#include "boost/beast/http.hpp"
#include "common/http/header_line.h"
#include "common/http/http_head.h"
#include "common/http/query.h"
#include "common/http/router.h"

using namespace twi::http;

namespace {

namespace bh = boost::beast::http;

void Require(bool holds) {
  if (!holds) std::abort();
}

// Nothing in it ends a line, whoever writes it down; and the end of the body is said once (RFC 9112 section 6.1).
void CheckHead(const Head& head) {
  Require(head.headers.count("host") == 1);
  Require(head.headers.count("content-length") == 0 || head.headers.count("transfer-encoding") == 0);
  for (const auto& [name, value] : head.headers) {
    Require(name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ: \r\n") == std::string::npos);
    Require(value.find_first_of("\r\n\0", 0, 3) == std::string::npos);
  }
}

// A path has one spelling: its route with the parameters put in.
void CheckRoute(const std::vector<Route>& routes, absl::string_view method, absl::string_view path) {
  const auto match = FindRoute(routes, method, path);
  const std::string allowed = AllowedMethods(routes, path);
  if (!match.ok()) return;
  Require(method == match->route->method && !allowed.empty());
  std::string spelled;
  for (const absl::string_view segment : absl::StrSplit(match->route->path.substr(1), '/')) {
    const bool parameter = segment.front() == '{';
    absl::StrAppend(&spelled, "/",
                    parameter ? match->parameters.at(std::string(segment.substr(1, segment.size() - 2))) : segment);
  }
  Require(spelled == path);
}

void CheckRequestHead(absl::string_view bytes) {
  static const auto* const routes =
      new std::vector<Route>{{"NewSession", "POST", "/challenge-response/v1/newSession", 0, nullptr},
                             {"Session", "GET", "/challenge-response/v1/session/{id}", 0, nullptr},
                             {"Pair", "DELETE", "/{first}/{second}", 0, nullptr}};
  bh::request_parser<bh::string_body> parser;
  parser.header_limit(kMaxHead);
  parser.eager(false);  // as async_read_header: stops behind the head
  boost::system::error_code error;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error || !parser.is_header_done()) return;
  const auto head = ReadHead(parser.get().base());
  if (!head.ok()) return;
  CheckHead(*head);
  if (!CheckTarget(head->target).ok()) return;
  const std::size_t question = head->target.find('?');
  CheckRoute(*routes, head->method, head->target.substr(0, question));
  if (question != absl::string_view::npos) ParseQuery(head->target.substr(question + 1)).IgnoreError();
}

void CheckResponseLines(absl::string_view bytes) {
  for (const absl::string_view line : absl::StrSplit(bytes, '\n')) {
    const auto field = SplitHeaderLine(line);
    if (!field.has_value()) continue;
    Require(absl::StrCat(field->name, ":") == line.substr(0, field->name.size() + 1));
    Require(field->name.size() + 1 + field->value.size() <= line.size());
    Require(field->value.find('\r') != 0 && (field->value.empty() || field->value.back() != '\r'));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckRequestHead(bytes);
  CheckResponseLines(bytes);
  return 0;
}
