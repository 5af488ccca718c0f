// The parsed fields of a quote as JSON: `claims` of EvidenceClaims (for policies and results) and the shape that lists
// of test vectors use.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_CLAIMS_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_CLAIMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "services/verifier/formats/eventlog.h"
#include "services/verifier/formats/format.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {

using PcrValues =
    std::map<std::pair<std::uint16_t, std::uint32_t>, std::string>;  // {TPM_ALG_ID of the bank, index}: value

// nonce (extraData), qualified_signer, pcr_digest: hex. pcr_select: [["0xb",[15,16,22]]]. clock (ms), reset_count,
// restart_count: numbers; safe: bool; firmware_version: "0x2016051100162800".
void AddQuoteClaims(const TpmQuote& quote, nlohmann::json* claims);
// ak_name: hex. ak: {type, bits, scheme, hash, namealg, attr, restricted, sign, decrypt, fixedTPM, authpol}.
void AddKeyClaims(const TpmPublic& ak, nlohmann::json* claims);
// pcrs: {"sha256": {"0": hex}}.
void AddPcrClaims(const PcrValues& values, nlohmann::json* claims);
// event_log: {crypto_agile, events, algorithms: ["sha256"], replayed: {"sha256": [0,1,2]}}.
void AddEventLogClaims(const EventLog& log, const std::map<std::uint16_t, std::vector<std::uint32_t>>& replayed,
                       nlohmann::json* claims);

// The fields of one file's quotes as manifests of test vectors spell them: nonce, signer, pcr_select, pcr_digest, pcrs
// {"0": hex} for one quote; nonce, ak and quotes[] {bank, pcrs, digest, clock, ...} for several.
nlohmann::json TpmManifestFields(const std::vector<EvidenceResult>& results);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_CLAIMS_H_
