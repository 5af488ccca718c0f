// Makes an attestation key (AK) in a TPM: what `twictl dev-pki` and tests need before the tpm2 attester can quote.
// Enrolling it at the Verifier (by the hash below, or by a certificate) is the operator's act.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TPM_AK_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TPM_AK_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace twi::agent {

struct TpmAk {
  std::string tpmt_public;  // TPMT_PUBLIC, as in Evidence
  std::string spki_der;     // SubjectPublicKeyInfo; SHA-256 of it is what a Verifier's config endorses
};

// A primary key under the owner hierarchy (empty owner password): ECC P-256, restricted, sign, fixedTPM, ECDSA with
// SHA-256; made persistent at `handle` (0x81000000..0x81ffffff). A handle that is in use is refused. `tcti` as for the
// attester. ATTESTER_FAILED.
absl::StatusOr<TpmAk> CreateTpmAk(const std::string& tcti, std::uint32_t handle);

// The AK that is there already.
absl::StatusOr<TpmAk> ReadTpmAk(const std::string& tcti, std::uint32_t handle);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TPM_AK_H_
