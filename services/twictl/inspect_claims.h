// The claims of a certificate, for display.
#ifndef TWI_SERVICES_TWICTL_INSPECT_CLAIMS_H_
#define TWI_SERVICES_TWICTL_INSPECT_CLAIMS_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace twi::twictl {

// The content of `der` where that is one UTF8String and nothing else (X.690 section 8.23), its length definite, in the
// shortest form and below 64 KiB. Its characters are not checked (printable.h). Points into `der`.
std::optional<absl::string_view> Utf8StringIn(absl::string_view der);

}  // namespace twi::twictl

#endif  // TWI_SERVICES_TWICTL_INSPECT_CLAIMS_H_
