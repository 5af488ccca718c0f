// `twictl issuance`: why a credential exists (its issuance record at the Credential Authority).
#ifndef TWI_SERVICES_TWICTL_ISSUANCE_H_
#define TWI_SERVICES_TWICTL_ISSUANCE_H_

#include <string>

#include "proto/twi/v1/credential_authority.pb.h"
#include "services/twictl/commands.h"

namespace twi::twictl {

// issuance --config FILE (--serial HEX | --jti ID)
int RunIssuance(const Args& args);

// The record in words.
std::string IssuanceText(const v1::GetIssuanceResponse& record);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_ISSUANCE_H_
