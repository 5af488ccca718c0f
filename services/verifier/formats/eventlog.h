// Boot event logs: TCG PC Client Platform Firmware Profile 10.2 (crypto-agile log, TCG_PCR_EVENT2) and the older SHA-1
// log (TCG_PCClientPCREvent). A log is no evidence by itself: it explains register values that were signed, when it
// replays to them.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_EVENTLOG_H_
#define TWI_SERVICES_VERIFIER_FORMATS_EVENTLOG_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace twi::verifier {

constexpr std::size_t kMaxEventLog = 1 << 20;  // bytes, of a file; Evidence carries at most 192 KiB (evidence.proto)
constexpr std::size_t kMaxEvents = 16384;
constexpr std::uint32_t kEvNoAction = 0x00000003;  // information for the reader, never extended

struct LogEvent {
  std::uint32_t pcr = 0;  // of a TD: measurement register, 0 = MRTD, 1..4 = RTMR0..3
  std::uint32_t type = 0;
  std::vector<std::pair<std::uint16_t, std::string>> digests;  // TPM_ALG_ID and digest; no algorithm twice
  std::string data;  // not signed and, unless its hash is the digest, not even measured
};

struct EventLog {
  bool crypto_agile = false;
  std::vector<std::pair<std::uint16_t, std::uint16_t>>
      algorithms;                // TPM_ALG_ID and digest size; {SHA-1, 20} for the older log
  std::vector<LogEvent> events;  // in order; the Spec ID event of a crypto-agile log is the first
  std::size_t end = 0;           // offset behind the last event
};

enum class Padding {
  kRefused,
  kAllowed
};  // kAllowed: a rest of only 0x00 or only 0xff bytes, as a CCEL's fixed area has it

// EVIDENCE_MALFORMED: empty, too long, too many events, a count or size beyond the buffer, a digest of an algorithm
// that the header does not list, twice the same algorithm, a PCR above 23, bytes behind the last event.
absl::StatusOr<EventLog> ParseEventLog(absl::string_view bytes, Padding padding = Padding::kRefused);

// The value of each register that the log extends, for one bank. PCRs start from zero, PCR 0 from the startup locality
// when the log states it (EV_NO_ACTION "StartupLocality", 10.4.5.3). EVENT_LOG_MISMATCH when the log, or one event that
// extends, has no digest for `hash` (a TPM_ALG_ID).
absl::StatusOr<std::map<std::uint32_t, std::string>> ReplayEventLog(const EventLog& log, std::uint16_t hash);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_EVENTLOG_H_
