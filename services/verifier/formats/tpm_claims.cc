#include "services/verifier/formats/tpm_claims.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/encoding/encoding.h"

namespace twi::verifier {
namespace {

std::string HexNumber(std::uint64_t value) { return absl::StrFormat("0x%x", value); }

std::string BankName(std::uint16_t hash) {
  const TpmHash* known = FindTpmHash(hash);
  return known != nullptr ? known->name : HexNumber(hash);
}

int KeyBits(const TpmPublic& ak) {
  if (ak.type == kTpmAlgRsa) return ak.rsa_bits;
  return ak.curve == 3 ? 256 : ak.curve == 4 ? 384 : 0;  // TPM_ECC_NIST_P256, _P384
}

// The one bank of a quote, flat, as manifests have it; absent when there are several.
void CopyOnlyBank(const nlohmann::json& claims, nlohmann::json* out, bool with_name) {
  if (!claims.contains("pcrs") || claims["pcrs"].size() != 1) return;
  if (with_name) (*out)["bank"] = claims["pcrs"].begin().key();
  (*out)["pcrs"] = claims["pcrs"].begin().value();
}

nlohmann::json QuoteFields(const nlohmann::json& claims) {
  nlohmann::json out = nlohmann::json::object();
  CopyOnlyBank(claims, &out, true);
  for (const auto& [from, to] :
       {std::pair("pcr_digest", "digest"), std::pair("clock", "clock"), std::pair("reset_count", "reset_count"),
        std::pair("restart_count", "restart_count"), std::pair("firmware_version", "firmware")}) {
    if (claims.contains(from)) out[to] = claims[from];
  }
  if (claims.contains("safe")) out["safe"] = claims["safe"].get<bool>() ? 1 : 0;
  return out;
}

}  // namespace

void AddQuoteClaims(const TpmQuote& quote, nlohmann::json* claims) {
  (*claims)["nonce"] = ToHex(quote.extra_data);
  (*claims)["qualified_signer"] = ToHex(quote.qualified_signer);
  (*claims)["clock"] = quote.clock;
  (*claims)["reset_count"] = quote.reset_count;
  (*claims)["restart_count"] = quote.restart_count;
  (*claims)["safe"] = quote.safe;
  (*claims)["firmware_version"] = HexNumber(quote.firmware_version);
  (*claims)["pcr_digest"] = ToHex(quote.pcr_digest);
  nlohmann::json select = nlohmann::json::array();
  for (const PcrSelection& bank : quote.selection) select.push_back({HexNumber(bank.hash), bank.indexes});
  (*claims)["pcr_select"] = std::move(select);
}

void AddKeyClaims(const TpmPublic& ak, nlohmann::json* claims) {
  const auto name = TpmName(ak);
  if (name.ok()) (*claims)["ak_name"] = ToHex(*name);
  (*claims)["ak"] = {
      {"type", ak.type == kTpmAlgRsa ? "rsa" : "ecc"},
      {"bits", KeyBits(ak)},
      {"scheme", HexNumber(ak.scheme)},
      {"hash", HexNumber(ak.scheme_hash)},
      {"namealg", HexNumber(ak.name_hash)},
      {"attr", HexNumber(ak.attributes)},
      {"restricted", (ak.attributes & kTpmaRestricted) != 0},
      {"sign", (ak.attributes & kTpmaSign) != 0},
      {"decrypt", (ak.attributes & kTpmaDecrypt) != 0},
      {"fixedTPM", (ak.attributes & kTpmaFixedTpm) != 0},
      {"authpol", ToHex(ak.auth_policy)},
  };
}

void AddPcrClaims(const PcrValues& values, nlohmann::json* claims) {
  nlohmann::json pcrs = nlohmann::json::object();
  for (const auto& [key, value] : values) pcrs[BankName(key.first)][absl::StrCat(key.second)] = ToHex(value);
  (*claims)["pcrs"] = std::move(pcrs);
}

void AddEventLogClaims(const EventLog& log, const std::map<std::uint16_t, std::vector<std::uint32_t>>& replayed,
                       nlohmann::json* claims) {
  nlohmann::json algorithms = nlohmann::json::array();
  for (const auto& algorithm : log.algorithms) algorithms.push_back(BankName(algorithm.first));
  nlohmann::json registers = nlohmann::json::object();
  for (const auto& [hash, indexes] : replayed) registers[BankName(hash)] = indexes;
  (*claims)["event_log"] = {{"crypto_agile", log.crypto_agile},
                            {"events", log.events.size()},
                            {"algorithms", algorithms},
                            {"replayed", registers}};
}

nlohmann::json TpmManifestFields(const std::vector<EvidenceResult>& results) {
  nlohmann::json out = nlohmann::json::object();
  if (results.empty()) return out;
  const nlohmann::json& first = results.front().claims.claims;
  if (first.contains("nonce")) out["nonce"] = first["nonce"];
  if (first.contains("ak")) {
    out["ak"] = first["ak"];
    out["ak"]["left"] = 0;  // bytes behind the structure: refused by the parser
  }
  if (results.size() > 1) {
    out["quotes"] = nlohmann::json::array();
    for (const EvidenceResult& result : results) out["quotes"].push_back(QuoteFields(result.claims.claims));
    return out;
  }
  for (const auto& [from, to] : {std::pair("qualified_signer", "signer"), std::pair("pcr_select", "pcr_select"),
                                 std::pair("pcr_digest", "pcr_digest")}) {
    if (first.contains(from)) out[to] = first[from];
  }
  CopyOnlyBank(first, &out, false);
  return out;
}

}  // namespace twi::verifier
