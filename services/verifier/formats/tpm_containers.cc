#include "services/verifier/formats/tpm_containers.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/encoding/encoding.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"
#include "services/verifier/formats/tpm_reader.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::size_t kMaxQuotes = 8;
constexpr std::size_t kMaxCertificates = 8;
constexpr std::size_t kMaxFields = 256;  // of one protobuf message; Attestation has 9, PCRs up to 24 map entries
constexpr int kMaxJsonDepth = 8;
constexpr std::size_t kNodeIdSize = 16;
constexpr std::size_t kSelectionSlots = 16;  // TPM2_NUM_PCR_BANKS
constexpr std::size_t kDigestSlots = 8;      // TPML_DIGEST
constexpr std::size_t kDigestSlotSize = 64;  // TPM2B_DIGEST.buffer

absl::Status Malformed(absl::string_view what) { return Deny(v1::DENY_REASON_EVIDENCE_MALFORMED, what); }

// One field of a protobuf message: a number, or bytes.
struct WireField {
  std::uint64_t number = 0;
  bool is_bytes = false;
  std::uint64_t value = 0;
  absl::string_view bytes;
};

std::uint64_t ReadVarint(TpmReader* reader) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = reader->U8("varint");
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  reader->Fail("varint of more than 10 bytes");
  return 0;
}

// The fields of one message, one level deep: nested messages are bytes. Groups (wire types 3 and 4) are refused.
absl::StatusOr<std::vector<WireField>> ReadMessage(absl::string_view bytes, absl::string_view name) {
  TpmReader reader(bytes, ByteOrder::kLittleEndian);
  std::vector<WireField> fields;
  while (reader.left() > 0 && reader.ok()) {
    if (fields.size() == kMaxFields) reader.Fail("too many fields");
    const std::uint64_t tag = ReadVarint(&reader);
    WireField field;
    field.number = tag >> 3;
    switch (tag & 7) {
      case 0:
        field.value = ReadVarint(&reader);
        break;
      case 1:
        field.value = reader.U64("fixed64");
        break;
      case 2:
        field.is_bytes = true;
        field.bytes = reader.Bytes(ReadVarint(&reader), "length-delimited field");
        break;
      case 5:
        field.value = reader.U32("fixed32");
        break;
      default:
        reader.Fail("wire type");
    }
    if (field.number == 0) reader.Fail("field number 0");
    fields.push_back(field);
  }
  TWI_RETURN_IF_ERROR(reader.Check(name));
  return fields;
}

// tpm.PCRs {hash = 1; map<uint32, bytes> pcrs = 2}; a map entry is a message {key = 1; value = 2}.
absl::Status ReadPcrs(absl::string_view bytes, v1::TpmEvidence* evidence) {
  TWI_ASSIGN_OR_RETURN(const std::vector<WireField> fields, ReadMessage(bytes, "PCRs"));
  std::uint64_t hash = 0;
  std::map<std::uint32_t, std::string> values;
  for (const WireField& field : fields) {
    if (field.number == 1 && !field.is_bytes) hash = field.value;
    if (field.number != 2 || !field.is_bytes) continue;
    TWI_ASSIGN_OR_RETURN(const std::vector<WireField> entry, ReadMessage(field.bytes, "PCRs.pcrs"));
    std::uint64_t index = 0;
    std::string value;
    for (const WireField& part : entry) {
      if (part.number == 1 && !part.is_bytes) index = part.value;
      if (part.number == 2 && part.is_bytes) value = std::string(part.bytes);
    }
    if (index >= kTpmPcrCount || !values.emplace(static_cast<std::uint32_t>(index), value).second)
      return Malformed(absl::StrCat("PCRs: index ", index));
  }
  if (hash == 0 || hash > 0xffff) return Malformed(absl::StrCat("PCRs: hash ", hash));
  for (auto& [index, value] : values) {
    v1::PcrValue* pcr = evidence->add_pcr_values();
    pcr->set_hash_algorithm(static_cast<std::uint32_t>(hash));
    pcr->set_index(index);
    pcr->set_value(std::move(value));
  }
  return absl::OkStatus();
}

// tpm.Quote {quote = 1; raw_sig = 2; pcrs = 3}.
absl::StatusOr<v1::TpmEvidence> ReadQuote(absl::string_view bytes) {
  TWI_ASSIGN_OR_RETURN(const std::vector<WireField> fields, ReadMessage(bytes, "Quote"));
  v1::TpmEvidence evidence;
  std::set<std::uint64_t> seen;
  for (const WireField& field : fields) {
    if (!field.is_bytes) continue;
    if (field.number <= 3 && !seen.insert(field.number).second) return Malformed("Quote: a field twice");
    if (field.number == 1) evidence.set_quote(std::string(field.bytes));
    if (field.number == 2) evidence.set_signature(std::string(field.bytes));
    if (field.number == 3) TWI_RETURN_IF_ERROR(ReadPcrs(field.bytes, &evidence));
  }
  if (evidence.quote().empty() || evidence.signature().empty()) return Malformed("Quote: quote or raw_sig missing");
  return evidence;
}

// nlohmann keeps the last of two equal keys; we refuse both, and deep nesting. A parse callback sees every key.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text) {
  bool good = true;
  std::vector<std::set<std::string>> keys;
  const auto look = [&good, &keys](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (depth > kMaxJsonDepth) good = false;
    if (event == nlohmann::json::parse_event_t::object_start) keys.emplace_back();
    if (event == nlohmann::json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      good = false;
    if (event == nlohmann::json::parse_event_t::object_end) keys.pop_back();
    return true;
  };
  nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), look, /*allow_exceptions=*/false);
  if (json.is_discarded() || !good || !json.is_object())
    return Malformed("JSON: not one object without duplicate keys");
  return json;
}

absl::StatusOr<std::string> Base64Member(const nlohmann::json& object, const char* name) {
  if (!object.contains(name) || !object[name].is_string())
    return Malformed(absl::StrCat("JSON: ", name, " is not a string"));
  const auto bytes = FromBase64(object[name].get_ref<const std::string&>());
  if (!bytes.ok()) return Malformed(absl::StrCat("JSON: ", name, ": ", bytes.status().message()));
  return *bytes;
}

}  // namespace

absl::StatusOr<std::vector<v1::TpmEvidence>> ParseGoTpmToolsAttestation(absl::string_view bytes) {
  if (bytes.empty() || bytes.size() > kMaxFile) return Malformed(absl::StrCat("Attestation: ", bytes.size(), " bytes"));
  TWI_ASSIGN_OR_RETURN(const std::vector<WireField> fields, ReadMessage(bytes, "Attestation"));
  std::vector<v1::TpmEvidence> quotes;
  v1::TpmEvidence shared;
  std::set<std::uint64_t> seen;
  for (const WireField& field : fields) {
    if (!field.is_bytes) continue;
    const bool repeated = field.number == 2 || field.number == 7;
    if (!repeated && field.number <= 7 && !seen.insert(field.number).second)
      return Malformed("Attestation: a field twice");
    if (field.number == 1) shared.set_ak_public(std::string(field.bytes));
    if (field.number == 2) {
      if (quotes.size() == kMaxQuotes) return Malformed("Attestation: too many quotes");
      TWI_ASSIGN_OR_RETURN(v1::TpmEvidence quote, ReadQuote(field.bytes));
      quotes.push_back(std::move(quote));
    }
    if (field.number == 3) shared.set_event_log(std::string(field.bytes));
    if ((field.number == 6 || field.number == 7) && !field.bytes.empty())
      shared.add_ak_certificates(std::string(field.bytes));
  }
  if (shared.ak_public().empty() || quotes.empty()) return Malformed("Attestation: ak_pub or quotes missing");
  if (static_cast<std::size_t>(shared.ak_certificates_size()) > kMaxCertificates)
    return Malformed("Attestation: too many certificates");
  for (v1::TpmEvidence& quote : quotes) quote.MergeFrom(shared);
  return quotes;
}

absl::StatusOr<v1::TpmEvidence> ParseTrusteeTpmJson(absl::string_view text) {
  if (text.size() > kMaxFile) return Malformed("JSON: too long");
  TWI_ASSIGN_OR_RETURN(const nlohmann::json json, ParseStrictJson(text));
  if (!json.contains("tpm_quote") || !json["tpm_quote"].is_object())
    return Malformed("JSON: tpm_quote is not an object");
  const nlohmann::json& quote_json = json["tpm_quote"];
  v1::TpmEvidence evidence;
  TWI_ASSIGN_OR_RETURN(*evidence.mutable_ak_public(), Base64Member(json, "ak_public"));
  TWI_ASSIGN_OR_RETURN(*evidence.mutable_signature(), Base64Member(quote_json, "signature"));
  TWI_ASSIGN_OR_RETURN(*evidence.mutable_quote(), Base64Member(quote_json, "message"));
  if (!quote_json.contains("pcrs") || !quote_json["pcrs"].is_array() || quote_json["pcrs"].size() > kTpmPcrCount) {
    return Malformed("JSON: pcrs is not an array of at most 24");
  }
  TWI_ASSIGN_OR_RETURN(const TpmQuote quote, ParseTpmQuote(evidence.quote()));
  if (quote.selection.size() != 1) return Malformed("JSON: the quote is not over one bank");
  for (const std::uint32_t index : quote.selection[0].indexes) {
    const nlohmann::json& pcrs = quote_json["pcrs"];
    if (index >= pcrs.size() || !pcrs[index].is_string())
      return Malformed(absl::StrCat("JSON: pcrs[", index, "] is not a string"));
    const auto value = FromHex(pcrs[index].get_ref<const std::string&>());
    if (!value.ok()) return Malformed(absl::StrCat("JSON: pcrs[", index, "]: ", value.status().message()));
    v1::PcrValue* pcr = evidence.add_pcr_values();
    pcr->set_hash_algorithm(quote.selection[0].hash);
    pcr->set_index(index);
    pcr->set_value(*value);
  }
  return evidence;
}

absl::StatusOr<v1::TpmEvidence> ParseEnactTrustToken(absl::string_view bytes) {
  TpmReader reader(bytes, ByteOrder::kBigEndian);
  reader.Bytes(kNodeIdSize, "node id");
  const absl::string_view quote = reader.Sized(4096, "TPMS_ATTEST");
  TWI_RETURN_IF_ERROR(reader.Check("EnactTrust token"));
  v1::TpmEvidence evidence;
  evidence.set_quote(std::string(quote));
  evidence.set_signature(std::string(bytes.substr(reader.at())));
  TWI_RETURN_IF_ERROR(ParseTpmQuote(evidence.quote()).status());
  TWI_RETURN_IF_ERROR(ParseTpmSignature(evidence.signature()).status());
  return evidence;
}

absl::StatusOr<std::vector<v1::PcrValue>> ParseTpm2ToolsPcrs(absl::string_view bytes) {
  TpmReader reader(bytes, ByteOrder::kLittleEndian);
  std::vector<v1::PcrValue> pcrs;
  const std::uint32_t banks = reader.U32("selection.count");
  if (banks == 0 || banks > kSelectionSlots) reader.Fail("selection.count");
  for (std::uint32_t bank = 0; bank < kSelectionSlots && reader.ok(); ++bank) {
    const std::uint16_t hash = reader.U16("selection.hash");
    const std::uint8_t size = reader.U8("selection.sizeofSelect");
    const absl::string_view bits = reader.Bytes(4, "selection.pcrSelect");
    reader.U8("selection: alignment");
    if (bank >= banks || !reader.ok()) continue;
    if (size > 3) reader.Fail("selection.sizeofSelect");
    for (std::uint32_t index = 0; reader.ok() && index < size * 8u; ++index) {
      if ((static_cast<std::uint8_t>(bits[index / 8]) >> (index % 8) & 1) == 0) continue;
      v1::PcrValue pcr;
      pcr.set_hash_algorithm(hash);
      pcr.set_index(index);
      pcrs.push_back(std::move(pcr));
    }
  }
  std::size_t filled = 0;
  const std::uint32_t lists = reader.U32("count of digest lists");
  if (lists > kSelectionSlots * kTpmPcrCount / kDigestSlots) reader.Fail("count of digest lists");
  for (std::uint32_t list = 0; list < lists && reader.ok(); ++list) {
    const std::uint32_t count = reader.U32("digests.count");
    if (count > kDigestSlots) reader.Fail("digests.count");
    for (std::uint32_t slot = 0; slot < kDigestSlots && reader.ok(); ++slot) {
      const std::uint16_t size = reader.U16("digest.size");
      const absl::string_view buffer = reader.Bytes(kDigestSlotSize, "digest.buffer");
      if (slot >= count || !reader.ok()) continue;
      if (size > kDigestSlotSize || filled == pcrs.size()) {
        reader.Fail("digest.size, or more digests than PCRs");
      } else {
        pcrs[filled++].set_value(std::string(buffer.substr(0, size)));
      }
    }
  }
  if (filled != pcrs.size()) reader.Fail("fewer digests than PCRs");
  TWI_RETURN_IF_ERROR(reader.CheckWhole("tpm2-tools PCR file"));
  return pcrs;
}

}  // namespace twi::verifier
