// Where a TPM is, in the words of tpm2-tss. Free of its headers: --check-config asks without a TPM.
#ifndef TWI_SERVICES_WORKLOAD_AGENT_TPM_ADDRESS_H_
#define TWI_SERVICES_WORKLOAD_AGENT_TPM_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace twi::agent {

// One of the three.
struct TpmAddress {
  std::string device;      // "/dev/tpmrm0"
  std::string path;        // of swtpm's Unix socket
  std::string host, port;  // of swtpm's TCP socket
};

constexpr char kTpmAddressForm[] = "device:PATH, swtpm:path=PATH or swtpm:host=HOST,port=PORT";

// tpm2-tss knows more kinds; these two are reached with a deadline (tpm_tcti.h), the others could not be.
// CONFIG_INVALID.
absl::StatusOr<TpmAddress> ParseTpmAddress(const std::string& tcti);

}  // namespace twi::agent

#endif  // TWI_SERVICES_WORKLOAD_AGENT_TPM_ADDRESS_H_
