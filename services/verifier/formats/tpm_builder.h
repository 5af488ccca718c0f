// (testonly) Writes TPM structures and whole TPM Evidence as a TPM would, with a software key: for tests and
// benchmarks.
#ifndef TWI_SERVICES_VERIFIER_FORMATS_TPM_BUILDER_H_
#define TWI_SERVICES_VERIFIER_FORMATS_TPM_BUILDER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/keys.h"
#include "proto/twi/v1/evidence.pb.h"
#include "services/verifier/formats/tpm_structures.h"

namespace twi::verifier {

// The inverse of the parsers of tpm_structures.h. They write what they are told, also what no TPM would.
std::string WriteTpmQuote(const TpmQuote& quote);
std::string WriteTpmSignature(const TpmSignature& signature);
std::string WriteTpmPublic(const TpmPublic& area);  // TPMT_PUBLIC; `bytes` is not used

// The public area of a proper AK: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign; RSASSA or
// ECDSA with the hash that fits.
TpmPublic AttestationKeyArea(const crypto::PublicKey& key);

// Signs as the scheme of `area` says. P-256, P-384 (ECDSA) or RSA (RSASSA, RSAPSS); SHA-256 or SHA-384.
absl::StatusOr<TpmSignature> SignAsTpm(const crypto::PrivateKey& ak, const TpmPublic& area, absl::string_view message);

// A quote over one bank: the values of `pcrs` (index to value, each of `bank`'s size), with `extra_data` and a fixed
// clock. No log, no certificate. `ak`: P-256, P-384 or RSA-3072.
absl::StatusOr<v1::TpmEvidence> BuildTpmEvidence(const crypto::PrivateKey& ak, absl::string_view extra_data,
                                                 const std::map<std::uint32_t, std::string>& pcrs,
                                                 std::uint16_t bank = kTpmAlgSha256);

// Signs `quote` anew and puts both into `evidence`.
absl::Status SetQuote(const TpmQuote& quote, const crypto::PrivateKey& ak, const TpmPublic& area,
                      v1::TpmEvidence* evidence);

}  // namespace twi::verifier

#endif  // TWI_SERVICES_VERIFIER_FORMATS_TPM_BUILDER_H_
