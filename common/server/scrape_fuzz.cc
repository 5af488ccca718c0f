// A scraper's request: always one of four answers, and 200 only for GET of /metrics.
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "common/server/metrics_listener.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view head(reinterpret_cast<const char*>(data), size);
  const int status = twi::server::StatusOfScrape(head);
  if (status != 200 && status != 400 && status != 404 && status != 405) std::abort();
  if (status == 200 && !absl::StartsWith(head, "GET /metrics")) std::abort();
  return 0;
}
