// The forms in which other projects store or send TPM quotes. Each parser only takes the bytes apart into TpmEvidence;
// VerifyTpm judges them.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_CONTAINERS_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_CONTAINERS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/twi/v1/evidence.pb.h"

namespace twi::verifier {

// All refuse with EVIDENCE_MALFORMED (or the reason of the TPM structure inside), and take at most 1 MiB.

// go-tpm-tools' attest.Attestation (protobuf wire format, proto/attest.proto and proto/tpm.proto there): one
// TpmEvidence per quote, that is, per bank; each has the event log and the AK's certificates. Fields that we do not use
// are skipped; at most 8 quotes and 8 certificates.
absl::StatusOr<std::vector<v1::TpmEvidence>> ParseGoTpmToolsAttestation(absl::string_view bytes);

// confidential-containers trustee's TPM evidence: {"ak_public": base64 SubjectPublicKeyInfo, "tpm_quote": {"signature":
// base64 TPMT_SIGNATURE, "message": base64 TPMS_ATTEST, "pcrs": [hex, by index]}}. `pcrs` holds the bank that the quote
// selects; those that it does not select are left out.
absl::StatusOr<v1::TpmEvidence> ParseTrusteeTpmJson(absl::string_view text);

// EnactTrust's token (veraison/services, scheme/tpm-enacttrust): node id[16] || u16 length || TPMS_ATTEST ||
// TPMT_SIGNATURE. It has neither key nor PCR values.
absl::StatusOr<v1::TpmEvidence> ParseEnactTrustToken(absl::string_view bytes);

// The PCR file of tpm2-tools' `tpm2_quote -o`: TPML_PCR_SELECTION, u32 count, that many TPML_DIGEST, all as C
// structures of a little-endian machine.
absl::StatusOr<std::vector<v1::PcrValue>> ParseTpm2ToolsPcrs(absl::string_view bytes);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_CONTAINERS_H_
