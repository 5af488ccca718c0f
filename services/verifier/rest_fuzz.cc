// What a client of the REST API sends: the first line is a query, the second a Content-Type, the rest a body.
#include <cstdint>
#include <cstdlib>

#include "common/http/query.h"
#include "common/testing/fake_random.h"
#include "services/verifier/rest_evidence.h"
#include "services/verifier/rest_service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = [&text] {
    const std::size_t end = text.find('\n');
    const absl::string_view first = text.substr(0, end);
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
    return first;
  };
  static twi::testing::FakeRandom random;
  if (const auto query = twi::http::ParseQuery(line()); query.ok()) {
    const auto nonce = twi::verifier::NonceOf(*query, random);
    if (nonce.ok() && (nonce->bytes.size() < 8 || nonce->bytes.size() > 64 || nonce->text.empty())) std::abort();
  }
  const absl::string_view content_type = line();
  const auto submission = twi::verifier::ReadSubmission(content_type, text);
  if (submission.ok() && submission->bytes.size() > text.size()) std::abort();
  return 0;
}
