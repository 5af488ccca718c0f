// Event logs from any bytes: parse, and replay every bank that the log lists.
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "services/verifier/formats/eventlog.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto log = twi::verifier::ParseEventLog(bytes, twi::verifier::Padding::kAllowed);
  if (!log.ok()) return 0;
  if (log->events.empty() || log->events.size() > twi::verifier::kMaxEvents || log->end > size) std::abort();
  if (log->end == size && !twi::verifier::ParseEventLog(bytes).ok()) std::abort();
  for (const auto& algorithm : log->algorithms)
    static_cast<void>(twi::verifier::ReplayEventLog(*log, algorithm.first).ok());
  return 0;
}
