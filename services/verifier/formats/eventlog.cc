#include "services/verifier/formats/eventlog.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/hash.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/verifier/formats/tpm_reader.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

constexpr absl::string_view kSpecId("Spec ID Event03\0", 16);           // TCG_EfiSpecIdEvent.signature, 10.4.5.1
constexpr absl::string_view kStartupLocality("StartupLocality\0", 16);  // TCG_EfiStartupLocalityEvent.signature
constexpr std::size_t kMaxAlgorithms = 8;
constexpr std::size_t kMaxDigest = 64;
constexpr std::size_t kSha1Size = 20;

bool IsPadding(absl::string_view rest) {
  if (rest.empty() || (rest.front() != '\0' && rest.front() != '\xff')) return false;
  return std::all_of(rest.begin(), rest.end(), [&rest](char c) { return c == rest.front(); });
}

// Registers that exist, or none for an event that extends none.
void CheckRegister(const LogEvent& event, TpmReader* reader) {
  if (event.pcr < kTpmPcrCount || event.type == kEvNoAction) return;
  reader->Fail(absl::StrCat("event extends PCR ", event.pcr));
}

// TCG_PCClientPCREvent: the older log, and the first event of every crypto-agile one.
LogEvent ReadSha1Event(TpmReader* reader) {
  LogEvent event;
  event.pcr = reader->U32("pcrIndex");
  event.type = reader->U32("eventType");
  event.digests.emplace_back(kTpmAlgSha1, std::string(reader->Bytes(kSha1Size, "digest")));
  event.data = std::string(reader->Bytes(reader->U32("eventSize"), "event"));
  CheckRegister(event, reader);
  return event;
}

// TCG_PCR_EVENT2. Every digest must be of an algorithm of the header, for only that says how long it is.
LogEvent ReadAgileEvent(const EventLog& log, TpmReader* reader) {
  LogEvent event;
  event.pcr = reader->U32("pcrIndex");
  event.type = reader->U32("eventType");
  const std::uint32_t count = reader->U32("digests.count");
  if (count > log.algorithms.size())
    reader->Fail(absl::StrCat("digests.count: ", count, ", the header lists ", log.algorithms.size()));
  for (std::uint32_t i = 0; i < count && reader->ok(); ++i) {
    const std::uint16_t hash = reader->U16("digests.hashAlg");
    const auto known =
        std::find_if(log.algorithms.begin(), log.algorithms.end(), [hash](const auto& a) { return a.first == hash; });
    const bool twice =
        std::any_of(event.digests.begin(), event.digests.end(), [hash](const auto& d) { return d.first == hash; });
    if (known == log.algorithms.end() || twice) {
      reader->Fail(absl::StrCat("digests.hashAlg: ", hash, twice ? " twice" : " is not in the header"));
      break;
    }
    event.digests.emplace_back(hash, std::string(reader->Bytes(known->second, "digest")));
  }
  event.data = std::string(reader->Bytes(reader->U32("eventSize"), "event"));
  CheckRegister(event, reader);
  return event;
}

// TCG_EfiSpecIdEvent: the algorithms of the log and the sizes of their digests.
absl::Status ReadHeader(absl::string_view data, EventLog* log) {
  TpmReader reader(data, ByteOrder::kLittleEndian);
  reader.Bytes(kSpecId.size(), "signature");
  reader.U32("platformClass");
  reader.Bytes(4, "specVersion, errata, uintnSize");
  const std::uint32_t count = reader.U32("numberOfAlgorithms");
  if (count == 0 || count > kMaxAlgorithms) reader.Fail(absl::StrCat("numberOfAlgorithms: ", count));
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const std::uint16_t hash = reader.U16("algorithmId");
    const std::uint16_t size = reader.U16("digestSize");
    const TpmHash* known = FindTpmHash(hash);
    if (size == 0 || size > kMaxDigest || (known != nullptr && known->size != size))
      reader.Fail(absl::StrCat("digestSize ", size, " of algorithm ", hash));
    for (const auto& other : log->algorithms) {
      if (other.first == hash) reader.Fail("an algorithm twice");
    }
    log->algorithms.emplace_back(hash, size);
  }
  reader.Bytes(reader.U8("vendorInfoSize"), "vendorInfo");
  return reader.CheckWhole("event log: Spec ID event");
}

// What PCR 0 starts from: the locality of TPM2_Startup in its last byte (Part 1, 17.5.3 "Initialization").
std::string InitialPcr0(const EventLog& log, std::size_t size) {
  std::string value(size, '\0');
  for (const LogEvent& event : log.events) {
    if (event.type == kEvNoAction && event.pcr == 0 && event.data.size() == kStartupLocality.size() + 1 &&
        absl::StartsWith(event.data, kStartupLocality)) {
      value.back() = event.data.back();
      break;
    }
  }
  return value;
}

}  // namespace

absl::StatusOr<EventLog> ParseEventLog(absl::string_view bytes, Padding padding) {
  if (bytes.empty() || bytes.size() > kMaxEventLog)
    return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("event log: ", bytes.size(), " bytes"));
  TpmReader reader(bytes, ByteOrder::kLittleEndian);
  EventLog log;
  log.events.push_back(ReadSha1Event(&reader));
  TWI_RETURN_IF_ERROR(reader.Check("event log"));
  const LogEvent& first = log.events.front();
  log.crypto_agile = first.type == kEvNoAction && absl::StartsWith(first.data, kSpecId);
  if (log.crypto_agile) {
    TWI_RETURN_IF_ERROR(ReadHeader(first.data, &log));
  } else {
    log.algorithms.emplace_back(kTpmAlgSha1, kSha1Size);
  }
  log.end = reader.at();
  while (reader.left() > 0) {
    if (padding == Padding::kAllowed && IsPadding(bytes.substr(log.end))) break;
    if (log.events.size() == kMaxEvents)
      return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, absl::StrCat("event log: more than ", kMaxEvents, " events"));
    log.events.push_back(log.crypto_agile ? ReadAgileEvent(log, &reader) : ReadSha1Event(&reader));
    TWI_RETURN_IF_ERROR(
        WithContext(reader.Check("event log"), absl::StrCat("event ", log.events.size(), " at ", log.end)));
    log.end = reader.at();
  }
  return log;
}

absl::StatusOr<std::map<std::uint32_t, std::string>> ReplayEventLog(const EventLog& log, std::uint16_t hash) {
  const TpmHash* algorithm = FindTpmHash(hash);
  const bool listed =
      std::any_of(log.algorithms.begin(), log.algorithms.end(), [hash](const auto& a) { return a.first == hash; });
  if (algorithm == nullptr || !listed)
    return Deny(v1::DENY_REASON_EVENT_LOG_MISMATCH, absl::StrCat("event log: no digests of algorithm ", hash));
  std::map<std::uint32_t, std::string> registers;
  for (std::size_t i = 0; i < log.events.size(); ++i) {
    const LogEvent& event = log.events[i];
    if (event.type == kEvNoAction) continue;
    const auto digest =
        std::find_if(event.digests.begin(), event.digests.end(), [hash](const auto& d) { return d.first == hash; });
    if (digest == event.digests.end())
      return Deny(v1::DENY_REASON_EVENT_LOG_MISMATCH,
                  absl::StrCat("event log: event ", i + 1, " has no digest of algorithm ", hash));
    auto [value, fresh] = registers.try_emplace(event.pcr);
    if (fresh) value->second = event.pcr == 0 ? InitialPcr0(log, algorithm->size) : std::string(algorithm->size, '\0');
    value->second = crypto::Hash(algorithm->algorithm, absl::StrCat(value->second, digest->second));
  }
  return registers;
}

}  // namespace twi::verifier
